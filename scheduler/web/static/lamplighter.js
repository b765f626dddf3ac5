// What the pages do beyond HTML: every page works without it.
"use strict";
(() => {
  const panel = () => document.getElementById("panel");

  // Relative times go on by themselves; the title has the viewer's own zone and UTC.
  const steps = [[63072e3, 31536e3, "years"], [5184e3, 2592e3, "months"], [172800, 86400, "days"],
    [7200, 3600, "h"], [60, 60, "min"], [0, 1, "s"]];
  const here = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  // The daemon's clock, which may differ from the viewer's.
  const clock = document.getElementById("clock");
  const shown = clock ? Date.parse(clock.textContent.replace(" UTC", "Z").replace(" ", "T")) : NaN;
  const ahead = Number.isNaN(shown) ? 0 : shown - Date.now();
  const now = () => Date.now() + ahead;
  const relative = (moment) => {
    const away = Math.abs(now() - moment) / 1000;
    if (away < 1) return "now";
    const [, unit, word] = steps.find(([least]) => away >= least);
    const amount = `${Math.floor(away / unit)} ${word}`;
    return moment < now() ? `${amount} ago` : `in ${amount}`;
  };
  const countdown = (moment) => {
    const left = Math.max(0, Math.round((moment - now()) / 1000));
    const hours = Math.floor(left / 3600), minutes = Math.floor(left / 60) % 60;
    if (hours) return `in ${hours} h ${minutes} min`;
    return minutes ? `in ${minutes} min ${left % 60} s` : left ? `in ${left} s` : "now";
  };
  const retell = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = Date.parse(time.dateTime);
      if (Number.isNaN(moment)) continue;
      if (!time.dataset.utc) {
        time.dataset.utc = new Date(moment).toISOString().replace("T", " ").slice(0, 19) + " UTC";
        time.title = `${here.format(moment)}\n${time.dataset.utc}`;
      }
      if ("countdown" in time.dataset) time.textContent = countdown(moment);
      else if ("exact" in time.dataset) time.title = `${here.format(moment)}\n${relative(moment)}`;
      else time.textContent = relative(moment);
    }
  };
  setInterval(() => {
    if (document.hidden) return;
    retell(document);
    if (clock && ahead) clock.textContent =
      new Date(now()).toISOString().replace("T", " ").slice(0, 19) + " UTC";
  }, 1000);

  // A form that was fetched into the panel is shown as a dialog, and the focus goes there; when it
  // is closed, back to what opened it, or stands in its place by now.
  let opener = "";
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target.id === "panel-content") opener = event.detail.elt.id;
  });
  panel()?.addEventListener("close", () => document.getElementById(opener)?.focus());
  // What cannot be fetched is asked for as a page, which says why.
  for (const trouble of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(trouble, (event) => {
      const { elt, target, xhr } = event.detail;
      if (target.id === "panel-content" && xhr.status !== 401) location.assign(elt.href);
    });
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    retell(event.target);
    if (event.target.id === "panel-content" && panel()) {
      const heading = event.target.querySelector("h1, h2");
      if (heading) panel().setAttribute("aria-label", heading.textContent);
      if (!panel().open) panel().showModal();
      const first = event.target.querySelector("input:not([type=hidden]), select, textarea, button");
      if (first) first.focus();
    }
  });
  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-close]");
    if (close && panel() && panel().open) { event.preventDefault(); panel().close(); }
  });

  // What refreshes itself waits while nobody looks, or somebody selects text in it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const target = event.detail.elt;
    if (!target.matches("[data-refresh]")) return;
    const selection = document.getSelection();
    const selecting = selection && !selection.isCollapsed && target.contains(selection.anchorNode);
    if (document.hidden || selecting) event.preventDefault();
  });
  // What somebody has opened stays open.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    opened = [...event.detail.target.querySelectorAll("details[open][id]")].map((each) => each.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    opened = [];
  });
  const stale = (text) => {
    const place = document.getElementById("stale");
    if (place && place.textContent !== text) place.textContent = text;
  };
  for (const trouble of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(trouble, () => stale("not refreshed: the daemon does not answer"));
  }
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.xhr.status < 400) stale("");
  });

  const all = document.getElementById("choose-all");
  if (all) {
    const boxes = [...document.querySelectorAll(".pick input")];
    all.hidden = boxes.length < 2;
    all.addEventListener("click", () => {
      const every = boxes.every((box) => box.checked);
      for (const box of boxes) box.checked = !every;
    });
  }

  // What was written in a form when the session ended stands there again after the login.
  const keeping = (work) => { try { return work(window.sessionStorage); } catch { return null; } };
  const written = (form) => [...form.elements].filter((each) =>
    each.name && each.name !== "csrf" &&
    ["text", "textarea", "number", "select-one", "hidden"].includes(each.type));
  document.addEventListener("submit", ({ target }) => {
    if (target.method !== "post" || !target.elements.csrf || target.closest("dialog")) return;
    const values = written(target).map((each) => [each.name, each.value]);
    keeping((store) => store.setItem("draft", JSON.stringify([target.getAttribute("action"), values])));
  });
  if (document.getElementById("lost")) {
    if (keeping((store) => store.getItem("draft"))) {
      keeping((store) => store.setItem("lost", "1"));
      document.getElementById("lost").append(" What you wrote then stands in its form again.");
    }
  } else if (!document.getElementById("secret")) {
    const [action, values] = JSON.parse(
      keeping((store) => store.getItem("lost") && store.getItem("draft")) || "[]");
    const form = action && [...document.forms].find((one) => one.getAttribute("action") === action);
    if (form) {
      const places = written(form);
      values.forEach(([name, value], n) => { if (places[n]?.name === name) places[n].value = value; });
      form.closest("details")?.setAttribute("open", "");
      form.scrollIntoView();
    }
    keeping((store) => { store.removeItem("draft"); store.removeItem("lost"); });
  }

  // A form is sent once.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    for (const button of event.target.querySelectorAll("button")) {
      setTimeout(() => { button.disabled = true; });
      setTimeout(() => { button.disabled = false; }, 5000);
    }
  });
  retell(document);
})();
