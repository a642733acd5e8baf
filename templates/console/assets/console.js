// What every page can do with a script, and does without it nearly as well.
"use strict";

// Times stand in UTC; here they are put into the viewer's zone. UTC stays in the tooltip.
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const precise = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const dateOnly = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

function localise(root) {
  for (const element of root.querySelectorAll("time[data-zone]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const format = { precise, date: dateOnly }[element.dataset.zone] ||
      (at.getFullYear() === new Date().getFullYear() ? day : year);
    element.textContent = format.format(at);
    element.removeAttribute("data-zone");
  }
}

// A button that copies what stands beside it.
function copying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      await navigator.clipboard.writeText(text);
      button.textContent = button.dataset.done;
    });
  }
}

// A form that asks before it does what can't be undone, and one that is sent when a choice is made.
function forms(root) {
  for (const form of root.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      if (!window.confirm(form.dataset.confirm)) event.preventDefault();
    });
  }
  for (const select of root.querySelectorAll("select[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
}

// A part of the page that changes by itself is fetched anew, which does not count as use of the session: <div id="x" data-refresh="2000">.
function refreshing() {
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const turn = async () => {
      const part_now = document.getElementById(part.id);
      if (!part_now || !part_now.dataset.refresh) return;
      if (!document.hidden) {
        try {
          const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Refresh": "1" } });
          if (answer.ok) {
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            const fresh = page.getElementById(part.id);
            if (fresh && fresh.innerHTML !== part_now.dataset.last) {
              const last = fresh.innerHTML;
              prepare(fresh);
              part_now.replaceWith(document.adoptNode(fresh));
              document.getElementById(part.id).dataset.last = last;
            }
          }
        } catch { /* the server is away for a moment; the next turn asks again */ }
      }
      const now = document.getElementById(part.id);
      if (now && now.dataset.refresh) setTimeout(turn, Number(now.dataset.refresh));
    };
    setTimeout(turn, Number(part.dataset.refresh));
  }
}

function prepare(root) {
  localise(root);
  copying(root);
  forms(root);
}

// On a phone the navigation is a strip: the page that is open is to be seen in it.
function showing() {
  const here = document.querySelector(".nav [aria-current]");
  if (!here) return;
  const nav = here.closest(".nav");
  const [at, strip] = [here.getBoundingClientRect(), nav.getBoundingClientRect()];
  nav.scrollLeft += at.left + at.width / 2 - strip.left - strip.width / 2;
}

prepare(document);
showing();
refreshing();
