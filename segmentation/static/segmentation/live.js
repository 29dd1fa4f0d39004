/* A form whose page shows what it means: each change asks for a fresh preview. */
(() => {
  "use strict";
  const form = document.querySelector("[data-live-form]");
  if (!form) return;
  const WAIT_MS = 350;
  let timer = 0;
  let asked = null;
  let changed = new Set();

  function soon(event) {
    const name = event.target.name;
    if (!name || name === "save_as") return;
    changed.add(name);
    clearTimeout(timer);
    timer = setTimeout(ask, event.type === "change" ? 0 : WAIT_MS);
  }

  async function ask() {
    asked?.abort();
    asked = new AbortController();
    const names = new Set(changed);
    const body = new FormData(form);
    body.set("action", "preview");
    const preview = document.getElementById("st-preview");
    preview?.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.getAttribute("action"), {
        method: "POST", body, credentials: "same-origin", signal: asked.signal,
        headers: { "X-Strata-Fragment": "1" },
      });
      if (answer.redirected || (!answer.ok && answer.status !== 422)) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.status === 422) return complain(fresh.body.textContent.trim());
      changed = new Set([...changed].filter((name) => !names.has(name)));
      show(fresh, names);
    } catch (error) {
      if (error.name !== "AbortError") complain(form.dataset.failed);
    } finally {
      preview?.removeAttribute("aria-busy");
    }
  }

  // Controls that somebody may be typing in stay; what is told about them is swapped.
  function show(fresh, names) {
    if ([...names].some((name) => name.startsWith("layout-"))) {
      document.getElementById("st-parts").replaceChildren(...fresh.body.childNodes);
      headers();
      return;
    }
    swap(fresh, "st-preview");
    for (const row of form.querySelectorAll("[data-row]")) {
      const n = row.dataset.row;
      const own = [...names].filter((name) => name.startsWith(`f${n}-`));
      swap(fresh, `st-why-${n}`);
      if (own.includes(`f${n}-source`)) { swap(fresh, `st-how-${n}`); continue; }
      swap(fresh, `st-ask-${n}`);
      const asks = fresh.getElementById(`st-ask-${n}`);
      asks?.parentElement && document.getElementById(`st-ask-${n}`)?.parentElement.classList.toggle("st-asked", asks.textContent !== "");
      if (own.some((name) => /-split_/.test(name))) swap(fresh, `st-words-${n}`);
    }
  }

  function swap(fresh, id) {
    const now = document.getElementById(id);
    const next = fresh.getElementById(id);
    if (now && next && now.innerHTML !== next.innerHTML) now.replaceChildren(...next.childNodes);
  }

  // Names of columns that may be typed; another way of reading has others.
  function headers() {
    const list = document.getElementById("st-headers");
    const names = document.querySelectorAll("#st-parts section table thead")[0]?.querySelectorAll("th") ?? [];
    list?.replaceChildren(...[...names].map((cell) => new Option(cell.textContent)));
  }

  function complain(text) {
    const preview = document.getElementById("st-preview");
    const note = document.createElement("p");
    note.className = "st-note st-note-bad";
    note.setAttribute("role", "alert");
    note.textContent = text;
    preview.querySelectorAll(".st-note-bad").forEach((old) => old.remove());
    preview.prepend(note);
  }

  form.addEventListener("input", (event) => { if (/^(text|number)?$/.test(event.target.type)) soon(event); });
  form.addEventListener("change", soon);
})();
