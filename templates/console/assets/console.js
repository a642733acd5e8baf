// What every page can do with a script, and does without it nearly as well.
"use strict";

// Times stand in UTC; here they are put into the viewer's zone. UTC stays in the tooltip.
const locale = document.documentElement.lang;
const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const year = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const precise = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const dateOnly = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
// A day of a chart is a day of UTC, wherever it is looked at.
const dayOfUtc = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

function localise(root) {
  for (const element of root.querySelectorAll("time[data-zone]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const format = { precise, date: dateOnly, day: dayOfUtc }[element.dataset.zone] ||
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

// A form that asks before it does what can't be undone.
function forms(root) {
  for (const form of root.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      if (!window.confirm(form.dataset.confirm)) event.preventDefault();
    });
  }
}

// Parts of the page that change by themselves are fetched anew, all with one request, which does not count as use of the session:
// <div id="x" data-refresh="2000">. Where `data-keys` names what is listed, another list is not put under somebody's pointer: a
// note <… id="x-changed" hidden> says that there is one.
const last = new Map();
let held = false;

function refreshing() {
  const parts = () => [...document.querySelectorAll("[data-refresh]")];
  const later = () => {
    const turns = parts().map((part) => Number(part.dataset.refresh));
    if (turns.length) setTimeout(turn, Math.min(...turns));
  };
  const turn = async () => {
    if (!document.hidden && !held) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Refresh": "1" } });
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          for (const part of parts()) renew(part, page.getElementById(part.id));
        } else if (answer.status === 404) {
          location.reload(); // what the page is about has been removed
        }
      } catch { /* the server is away for a moment; the next turn asks again */ }
    }
    later();
  };
  for (const part of parts()) last.set(part.id, part.outerHTML);
  if (parts().length) holding(document.getElementById("hold"));
  later();
}

// Puts a part in place of what it was, unless somebody is at work in it. What was opened, scrolled and focused in it stays so.
function renew(part, fresh) {
  if (!fresh || held || fresh.outerHTML === last.get(part.id)) return;
  if (part.dataset.keys && fresh.dataset.keys !== part.dataset.keys) {
    document.getElementById(`${part.id}-changed`).hidden = false;
    return;
  }
  if (isInUse(part)) return;
  last.set(part.id, fresh.outerHTML);
  const was = { open: keyed(part, "details[open]"), scrolled: keyed(part, ".scroll") };
  const focused = part.contains(document.activeElement) && key(document.activeElement);
  prepare(fresh);
  part.replaceWith(document.adoptNode(fresh));
  for (const [name, details] of keyed(fresh, "details")) details.open ||= was.open.has(name);
  for (const [name, region] of keyed(fresh, ".scroll")) {
    const before = was.scrolled.get(name);
    if (before) region.scrollTo(before.scrollLeft, before.scrollTop);
  }
  if (focused) {
    const again = [...fresh.querySelectorAll("a, button, summary, [tabindex]")].find((it) => key(it) === focused);
    if (!again) fresh.tabIndex = -1;
    (again || fresh).focus({ preventScroll: true });
  }
}

// Somebody types in it, or marks text of it.
function isInUse(part) {
  const selection = document.getSelection();
  const isMarked = !selection.isCollapsed && part.contains(selection.anchorNode);
  const fields = [...part.querySelectorAll("input, textarea")];
  const isTyped = (field) => field === document.activeElement || field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  return isMarked || fields.some(isTyped) || [...part.querySelectorAll("select")].includes(document.activeElement);
}

// What tells an element from others of its kind, in a part as it was and as it is.
function key(element) {
  const name = element.id || element.getAttribute("href") || element.getAttribute("aria-label") || element.textContent;
  return `${element.tagName} ${element.tagName === "DETAILS" ? element.querySelector("summary").textContent : name}`;
}

function keyed(root, selector) {
  return new Map([...root.querySelectorAll(selector)].map((element) => [key(element), element]));
}

// The button that holds everything, and lets it go on.
function holding(button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    held = !held;
    [button.textContent, button.dataset.other] = [button.dataset.other, button.textContent];
  });
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

refreshing();
prepare(document);
showing();
