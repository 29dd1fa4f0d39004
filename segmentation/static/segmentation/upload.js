/* A large file on its way: how much has gone, how long it takes. Without this the form
   works as any other. */
(() => {
  "use strict";
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const words = form.dataset;
  let sending = null;

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
  const size = (bytes) => {
    const units = words.units.split(" ");
    let n = bytes;
    while (n >= 1024 && units.length > 1) { n /= 1024; units.shift(); }
    return `${n.toLocaleString(document.documentElement.lang, { maximumFractionDigits: n < 10 ? 1 : 0 })} ${units[0]}`;
  };
  const clock = (seconds) => {
    const s = Math.ceil(seconds);
    return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
  };

  const box = () => form.querySelector("[data-upload-progress]");
  const part = (name) => box().querySelector(`[data-${name}]`);

  // A file that would be refused is refused before it is sent.
  function tooLarge(input) {
    const file = input.files[0];
    const most = Number(words.mostMb) * 2 ** 20;
    if (!file || file.size <= most) return "";
    return fill(words.tooLarge, { n: Math.floor(file.size / 2 ** 20).toLocaleString(document.documentElement.lang) });
  }

  function checked(event) {
    if (event.target.type !== "file") return;
    complain(tooLarge(event.target));
  }

  function complain(text) {
    const note = form.querySelector("[data-upload-error]");
    note.textContent = text;
    note.hidden = !text;
  }

  function send(event) {
    const input = form.querySelector("input[type=file]");
    if (sending || !input.files.length) return;
    event.preventDefault();
    const problem = tooLarge(input);
    complain(problem);
    if (problem) return;
    sending = new XMLHttpRequest();
    const began = performance.now();
    sending.upload.addEventListener("progress", (told) => told.lengthComputable && show(told.loaded, told.total, began));
    sending.addEventListener("load", () => arrived(sending));
    sending.addEventListener("error", () => stopped(words.failed));
    sending.addEventListener("abort", () => stopped(""));
    sending.open("POST", location.href);
    sending.setRequestHeader("X-Strata-Fragment", "1");
    const body = new FormData(form);
    working(true);
    show(0, input.files[0].size, began);
    sending.send(body);
  }

  function show(loaded, total, began) {
    const percent = Math.min(Math.floor((100 * loaded) / total), 100);
    const seconds = (performance.now() - began) / 1000;
    const bar = part("bar");
    bar.setAttribute("aria-valuenow", percent);
    bar.querySelector("rect").setAttribute("width", percent);
    part("percent").textContent = `${percent} %`;
    part("so-far").textContent = `${size(loaded)} / ${size(total)}`;
    const isGone = loaded >= total;
    part("say").textContent = isGone ? words.gone : words.going;
    part("left").textContent = !isGone && seconds > 1 && loaded ? `≈ ${clock((seconds * (total - loaded)) / loaded)}` : "";
    const live = `${isGone ? words.gone : words.going} ${Math.floor(percent / 10) * 10} %`;
    if (part("live").textContent !== live) part("live").textContent = live;
  }

  function working(is) {
    box().hidden = form.querySelector("[data-upload-stop]").hidden = !is;
    for (const button of form.querySelectorAll("[data-upload-go]")) button.disabled = is;
  }

  function arrived(request) {
    const kind = request.getResponseHeader("Content-Type") ?? "";
    if (request.status === 200 && kind.includes("json")) {
      location.assign(JSON.parse(request.responseText).address);
      return;
    }
    if (request.status === 422) { refused(request.responseText); return; }
    if (request.status === 200) { location.reload(); return; } // signed out meanwhile
    stopped(`${words.failed} (${request.status})`);
  }

  // What is wrong stands beside its field; the chosen file stays chosen.
  function refused(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html").body;
    const file = form.querySelector("input[type=file]");
    fresh.querySelector("input[type=file]").replaceWith(file);
    form.querySelector("[data-upload-fields]").replaceChildren(...fresh.childNodes);
    stopped("");
    form.querySelector(".st-error:not([hidden])")?.scrollIntoView({ block: "center" });
  }

  function stopped(text) {
    sending = null;
    working(false);
    complain(text);
  }

  form.addEventListener("change", checked);
  form.addEventListener("submit", send);
  form.addEventListener("click", (event) => { if (event.target.closest("[data-upload-stop]")) sending?.abort(); });
  window.addEventListener("beforeunload", (event) => { if (sending?.readyState < 4) event.preventDefault(); });
  window.addEventListener("pageshow", () => { sending = null; working(false); }); // back again
})();
