// The editor of audiences and traits, while somebody types: it presses the page's own buttons in the background, and puts the
// parts of the answer in that follow from what was typed. Without it, people press them.
"use strict";

(() => {
  const form = document.getElementById("editor");
  if (!form) return;
  form.classList.add("scripted");
  // A pause of so many milliseconds ends typing.
  const PAUSE = 400, PREVIEW = 900;
  const part = (root, id) => root.querySelector(`#${CSS.escape(id)}`);
  // A preview that took longer than so many seconds is asked for by its button only.
  const QUICK = 3;
  let typed = 0, asking = false, again = false, slow = false, timer = 0, later = 0;

  async function press(action) {
    const body = new URLSearchParams(new FormData(form));
    body.set("do", action);
    body.set("part", "1");
    const answer = await fetch(location.href, { method: "POST", body });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  function put(page, ...ids) {
    for (const id of ids) {
      const [now, fresh] = [document.getElementById(id), page.getElementById(id)];
      if (now && fresh) now.replaceChildren(...document.importNode(fresh, true).childNodes);
    }
  }

  // What is wrong with fields that somebody may be typing in: only the words beside them change.
  function mark(page) {
    for (const words of form.querySelectorAll(".wrong[id]")) {
      const fresh = part(page, words.id);
      words.textContent = fresh ? fresh.textContent : "";
      const field = form.querySelector(`[aria-describedby="${CSS.escape(words.id)}"]`);
      if (field) field.toggleAttribute("aria-invalid", Boolean(words.textContent));
      if (field && words.textContent) field.setAttribute("aria-invalid", "true");
    }
    const text = document.getElementById("f-query");
    if (page.getElementById("text-wrong").children.length) text.setAttribute("aria-invalid", "true");
    else text.removeAttribute("aria-invalid");
    // The caret may stand far to the right.
    const shown = document.querySelector("#text-wrong pre");
    if (!shown) return;
    const lines = shown.textContent.split("\n");
    const longest = Math.max(...lines.map((line) => line.length));
    shown.scrollLeft = shown.scrollWidth * lines.at(-1).length / longest - shown.clientWidth / 2;
  }

  function failed() {
    const words = document.createElement("p");
    words.className = "wrong";
    words.textContent = form.dataset.failed;
    document.getElementById("text-wrong").replaceChildren(words);
  }

  // One side was changed: the other one follows.
  async function follow(action) {
    const turn = ++typed;
    try {
      const page = await press(action);
      if (turn !== typed) return;
      const right = !page.querySelector("#form-side .wrong:not(:empty), #text-wrong > *");
      if (action === "to-form" && right) put(page, "form-side");
      if (action !== "to-form" && right) document.getElementById("f-query").value = page.getElementById("f-query").value;
      put(page, "text-wrong", "key", "was");
      mark(page);
      if (page.getElementById("value-type")) put(page, "value-type");
      clearTimeout(later);
      if (right && !slow) later = setTimeout(preview, PREVIEW);
    } catch {
      if (turn === typed) failed();
    }
  }

  // A button of the form: conditions come and go.
  async function change(action) {
    const turn = ++typed;
    try {
      const page = await press(action);
      if (turn !== typed) return;
      put(page, "form-side", "text-wrong", "was");
      document.getElementById("preview").classList.add("stale");
      document.getElementById("f-query").value = page.getElementById("f-query").value;
      const first = [...form.querySelectorAll('#form-side input[type="text"]')].find((input) => !input.value && input.offsetParent);
      if (first && action.startsWith("add")) first.focus();
    } catch {
      failed();
    }
  }

  // One preview at a time; what was typed meanwhile is asked after it.
  async function preview() {
    again = asking;
    if (asking) return;
    asking = true;
    const [bar, ask] = [document.getElementById("asking"), document.getElementById("ask")];
    bar.hidden = false;
    ask.disabled = true;
    const turn = typed;
    try {
      const page = await press("preview");
      if (turn === typed) {
        put(page, "preview", "text-wrong", "was");
        document.getElementById("preview").classList.remove("stale");
        slow = Number(page.getElementById("preview").dataset.seconds) > QUICK;
        // What was typed right before the button was pressed has its consequences on the other side.
        const here = document.activeElement;
        if (!here.closest("#form-side")) put(page, "form-side");
        if (here.id !== "f-query") document.getElementById("f-query").value = page.getElementById("f-query").value;
        mark(page);
      }
    } catch {
      failed();
    }
    bar.hidden = true;
    ask.disabled = false;
    asking = false;
    if (again && !slow) preview();
  }

  form.addEventListener("input", (event) => {
    const target = event.target;
    let action = "";
    if (target.closest("#form-side")) action = "to-text";
    else if (target.id === "f-query") action = "to-form";
    else if (target.name === "name") action = "name";
    if (!action) return;
    if (action !== "name") document.getElementById("preview").classList.add("stale");
    clearTimeout(timer);
    clearTimeout(later);
    timer = setTimeout(() => (action === "name" ? name() : follow(action)), PAUSE);
  });

  // The key follows the name, and nothing else does.
  async function name() {
    try {
      put(await press("check"), "key");
    } catch { /* it is shown when the page is saved */ }
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest('button[name="do"]');
    if (!button) return;
    if (button.value === "preview") {
      event.preventDefault();
      preview();
    } else if (button.closest("#form-side")) {
      event.preventDefault();
      clearTimeout(timer);
      change(button.value);
    }
  });
})();
