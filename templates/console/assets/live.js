// The live debugger: what the server tells is put on top of the list, in the same rows that the page was made with.
"use strict";

const live = document.getElementById("live");
const words = document.getElementById("live-words").dataset;
const list = document.getElementById("live-rows");
const state = document.getElementById("live-state");
const pause = document.getElementById("live-pause");
const none = document.getElementById("live-none");
const most = Number(live.dataset.window);

// The newest ids that were told, the oldest of them first: what is told twice is shown once.
const known = new Set([...list.querySelectorAll("tr[data-id]")].map((row) => row.dataset.id));
let waiting = []; // oldest first: what came since the list was drawn last
let letGo = 0; // of these, how many are gone because there were too many
let paused = false;
let drawing = null;
let source = null;

// "{n} event|{n} events"
function filled(text, n) {
  const [one, many] = text.split("|");
  return (n === 1 || many === undefined ? one : many).replaceAll("{n}", n.toLocaleString());
}

function say(text, kind) {
  state.textContent = text;
  live.dataset.state = kind;
}

function rowOf(line) {
  const row = document.getElementById("live-row").content.firstElementChild.cloneNode(true);
  row.dataset.id = line.id;
  row.classList.add("fresh");
  if (line.outcome === "rejected") row.classList.add("refused");
  for (const element of row.querySelectorAll("[data-text]")) element.textContent = line[element.dataset.text];
  for (const element of row.querySelectorAll("[data-href]")) {
    const name = element.dataset.href;
    const place = name === "id" ? "/console/live/" + encodeURIComponent(line.id) : line[name];
    if (place) element.href = place;
  }
  row.querySelector(".badge").classList.add(line.outcome === "rejected" ? "bad" : "good");
  const time = row.querySelector("time");
  time.dateTime = line.at;
  time.title = line.at.replace("T", " ").replace("Z", " UTC");
  time.dataset.zone = "precise";
  localise(row);
  return row;
}

function gap(text) {
  const row = document.getElementById("live-missed").content.firstElementChild.cloneNode(true);
  row.firstElementChild.textContent = text;
  return row;
}

function draw() {
  drawing = null;
  if (paused) return;
  for (const line of waiting) list.prepend(line.gap ? gap(line.gap) : rowOf(line));
  while (list.children.length > most) list.lastElementChild.remove();
  // What was let go came before all that is shown now.
  if (letGo > 0) list.append(gap(filled(words.letGo, letGo)));
  waiting = [];
  letGo = 0;
  none.hidden = list.children.length > 0;
  const first = document.getElementById("nothing-yet");
  if (first && list.children.length > 0) first.remove();
}

function wait(line) {
  waiting.push(line);
  while (waiting.length > most) {
    waiting.shift();
    letGo += 1;
  }
  if (paused) pause.textContent = filled(words.goOn, waiting.length + letGo);
  // Many at once are drawn at once; a timer runs in a tab that nobody looks at, too.
  else if (drawing === null) drawing = setTimeout(draw, 100);
}

function take(message) {
  const line = JSON.parse(message.data);
  if (known.has(line.id)) return;
  known.add(line.id);
  // As many as may be told again, and then some.
  if (known.size > 4 * most) known.delete(known.values().next().value);
  wait(line);
}

function listen(after) {
  say(words.connecting, "lost");
  source = new EventSource(live.dataset.stream + "&after=" + encodeURIComponent(after));
  let last = after;
  source.onopen = () => say(words.listening, "listening");
  for (const name of ["accepted", "rejected"]) {
    source.addEventListener(name, (message) => {
      last = message.lastEventId || last;
      take(message);
    });
  }
  source.addEventListener("lag", (message) => {
    const missed = JSON.parse(message.data).missed;
    wait({ gap: missed ? filled(words.missed, missed) : words.missedSome });
  });
  source.onerror = () => {
    // The browser comes back by itself, and says how far it was, unless the server would not have it.
    if (source.readyState !== EventSource.CLOSED) return say(words.lost, "lost");
    say(words.closed, "lost");
    setTimeout(() => listen(last), 10000);
  };
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? filled(words.goOn, 0) : words.pause;
  if (!paused) draw();
});
document.getElementById("live-clear").addEventListener("click", () => {
  list.replaceChildren();
  waiting = [];
  letGo = 0;
  if (paused) pause.textContent = filled(words.goOn, 0);
  none.hidden = false;
});
pause.hidden = false;
document.getElementById("live-clear").hidden = false;
document.getElementById("live-reload").hidden = true;
listen(live.dataset.after);
