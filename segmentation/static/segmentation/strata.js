/* Progress that moves by itself, and figures in the page's own colours. No library. */
(() => {
  "use strict";
  if (window.strataStarted) return; // Unfold may load this on every page, a form once more
  window.strataStarted = true;

  // Unfold writes a chosen file's name into the first text field near it. Where a file is
  // brought in that is its source, and its customers would become other people.
  document.addEventListener(
    "change",
    (event) => {
      if (event.target.matches?.(".st-field input[type=file]")) event.stopPropagation();
    },
    true,
  );

  // Progress: fetch a fragment, put it in, stop when it says that the deed is over.
  const EVERY_MS = 1500;
  const PATIENCE = 20; // failed polls in a row before we stop asking

  function watch(box) {
    let failures = 0;
    let said = "";
    const live = box.parentElement.querySelector("[data-live]");
    const wait = Number(box.dataset.pollMs) || EVERY_MS;

    async function ask() {
      if (document.hidden) return again();
      try {
        const answer = await fetch(box.dataset.poll, { credentials: "same-origin" });
        if (answer.redirected || answer.status === 403) return; // signed out
        if (!answer.ok) throw new Error(String(answer.status));
        const text = await answer.text();
        failures = 0;
        show(text);
        if (box.querySelector("[data-over]")) return finish();
      } catch {
        failures += 1;
        if (failures >= PATIENCE) return;
      }
      again();
    }

    let shown = "";

    function show(text) {
      if (text === shown) return; // else a figure would be drawn anew for nothing
      shown = text;
      const fresh = new DOMParser().parseFromString(text, "text/html").body;
      if (box.innerHTML !== fresh.innerHTML) box.replaceChildren(...fresh.childNodes);
      if (box.querySelector("[data-plot]")) drawAll();
      announce();
    }

    // A reader hears tenths and changes of status, not every second.
    function announce() {
      const bar = box.querySelector('[role="progressbar"]');
      const word = box.querySelector("[data-say]");
      if (!live || !bar || !word) return;
      const now = bar.getAttribute("aria-valuenow");
      const tenth = now === null ? "" : `${Math.floor(Number(now) / 10) * 10} %`;
      const text = `${word.textContent} ${tenth}`.trim();
      if (text !== said) live.textContent = said = text;
    }

    function finish() {
      if ("reload" in box.dataset && !dirty) setTimeout(() => location.reload(), 600);
    }

    function again() {
      setTimeout(ask, wait * (1 + Math.min(failures, 8)));
    }

    setTimeout(ask, wait);
  }

  // Parts that take a while to count come after the page.
  async function load(box) {
    try {
      const answer = await fetch(box.dataset.load, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
      box.replaceChildren(...fresh.childNodes);
      drawAll();
    } catch {
      box.dataset.failed = "";
    }
  }

  // What the admin's own widgets leave nameless to a screen reader.
  function name() {
    const content = document.getElementById("content");
    if (content && !document.querySelector("main, [role=main]")) content.setAttribute("role", "main");
    nameSelects();
    // Select2 puts its boxes in late, and again with each added row.
    new MutationObserver(nameSelects).observe(document.body, { childList: true, subtree: true });
  }

  function nameSelects() {
    document.querySelectorAll(".select2-selection[role=combobox]:not([data-named])").forEach((box) => {
      const select = box.closest(".select2-container")?.previousElementSibling;
      const label = select?.id && document.querySelector(`label[for="${select.id}"]`);
      if (!label) return;
      box.dataset.named = "";
      label.id ||= `${select.id}_label`;
      const value = box.querySelector(".select2-selection__rendered");
      value?.setAttribute("aria-label", label.textContent.trim());
      box.setAttribute("aria-labelledby", `${label.id} ${value?.id ?? ""}`.trim());
    });
  }

  // Somebody is typing in a form of this page: do not take it away.
  let dirty = false;

  // Figures: the server names the marks, the page gives text, grid and ground.
  let loading = null;

  function plotly(address) {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = () => resolve(window.Plotly);
      script.onerror = reject;
      document.head.append(script);
    });
    return loading;
  }

  function themed(figure, width) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--st-${name}`).trim();
    const layout = { ...figure.layout };
    layout.font = { color: colour("ink"), family: getComputedStyle(document.body).fontFamily, size: 13 };
    layout.hoverlabel = { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      layout[axis] = {
        ...layout[axis],
        gridcolor: colour("line"),
        linecolor: colour("line"),
        zerolinecolor: colour("line"),
        tickfont: { color: colour("soft") },
        title: { ...layout[axis].title, font: { color: colour("soft"), size: 13 } },
        automargin: true,
      };
    }
    layout.width = width;
    if (width < 480) narrow(layout);
    return layout;
  }

  // A phone has room for few ticks, and for a long title in two lines.
  function narrow(layout) {
    const title = layout.xaxis?.title;
    if (title?.text) title.text = title.text.replace(", ", ",<br>");
    layout.xaxis = { ...layout.xaxis, nticks: 4, tickangle: 0 };
    layout.margin = { ...layout.margin, b: 64 };
  }

  const CONFIG = { displayModeBar: false, responsive: false, scrollZoom: false };

  async function draw(box) {
    const library = await plotly(box.dataset.plotly);
    box.figure ??= JSON.parse(box.dataset.plot);
    const layout = themed(box.figure, box.clientWidth);
    await library.react(box, box.figure.data, layout, CONFIG);
    box.dataset.drawn = "";
  }

  function drawAll() {
    document.querySelectorAll("[data-plot]").forEach((box) => draw(box).catch(() => {
      box.textContent = "–";
    }));
  }

  // Unfold writes the name of a chosen file into the next text field: here, the source.
  function keepFields() {
    document.querySelectorAll(".st input[type=file]").forEach((input) => { input.hasChangeListener = true; });
  }

  // One choice narrows another: what does not fit goes, and a line says what is chosen.
  function narrowed(first) {
    const second = first.form.elements[first.dataset.narrows];
    const says = document.getElementById(`${second.id}_helptext`);
    const usual = says?.textContent;

    function fit() {
      for (const option of second.options) {
        const fits = option.dataset.fits?.split(" ").includes(first.value) ?? true;
        option.hidden = option.disabled = !fits;
      }
      for (const group of second.querySelectorAll("optgroup")) {
        group.hidden = [...group.children].every((option) => option.hidden);
      }
      if (second.selectedOptions[0]?.disabled) {
        second.value = [...second.options].find((option) => !option.disabled)?.value;
      }
      tell();
    }

    function tell() {
      if (says) says.textContent = second.selectedOptions[0]?.dataset.says || usual;
    }

    first.addEventListener("change", fit);
    second.addEventListener("change", tell);
    fit();
  }

  function start() {
    name();
    document.querySelectorAll("[data-narrows]").forEach(narrowed);
    keepFields();
    document.querySelectorAll("[data-poll]").forEach(watch);
    document.querySelectorAll("[data-load]").forEach(load);
    document.addEventListener("input", () => { dirty = true; });
    document.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (button?.dataset.confirm && !window.confirm(button.dataset.confirm)) event.preventDefault();
    });
    drawAll();
    new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    let timer = 0;
    window.addEventListener("resize", () => {
      clearTimeout(timer);
      timer = setTimeout(drawAll, 150);
    });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
