"use strict";
// The console's page: shows what the session tells, and says what its driver does. No more of it is trusted than it says.

const $ = id => document.getElementById(id);
const REST_MS = 40, MOVE_MS = 20, LOST_MS = 1000, SLOW = 0.3, DEAD = 0.08;
const AXES = ["x", "y", "z", "rx", "ry", "rz"];
const MOVES = { KeyW: [0, 1], KeyS: [0, -1], KeyA: [1, 1], KeyD: [1, -1], KeyR: [2, 1], KeyF: [2, -1], KeyQ: [5, 1], KeyE: [5, -1] };
const LABELS = { KeyY: "success", KeyN: "failure", Delete: "discard", Backspace: "discard" };
const PADS = { engage: 5, success: 0, failure: 1, discard: 3 };
const MODES = { policy: "policy drives", human: "by hand", resetting: "resetting", ready: "ready", soft_stop: "soft stop",
  fault: "fault", disabled: "disabled" };
const ACTIVITIES = { policy: "policy", human: "by hand", reset: "reset", waiting: "waiting", stopped: "stopped" };
const TONES = { policy: "--blue", human: "--accent", reset: "--base", waiting: "--line", stopped: "--bad" };
const tone = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---------------------------------------------------------------- the line to the session

let socket = null, page = "", number = 0, state = null, heard = 0, waitMs = 250;

function say(kind, more = {}) {
  if (socket?.readyState !== WebSocket.OPEN || !page) return;
  socket.send(JSON.stringify({ kind, page, number: number++, time: performance.now() / 1000, ...more }));
}

function connect() {
  page = ""; number = 0;
  socket = new WebSocket(`ws://${location.host}/words`);
  socket.onmessage = event => {
    const told = JSON.parse(event.data);
    heard = performance.now(); waitMs = 250;
    if (told.page) { page = told.page; buildCameras(told.cameras); }
    if (told.state) { state = told.state; show(); }
    if (told.episodes) showEpisodes(told.episodes);
    if (told.answer) tell(told.answer);
    if (told.refused) tell(`Refused: ${told.refused}.`);
    if (told.link) $("link").textContent = new URL(told.link, location.href).href + " (good for one visit)";
  };
  socket.onclose = () => { page = ""; showLost(); setTimeout(connect, waitMs); waitMs = Math.min(2 * waitMs, 4000); };
}

function tell(sentence) { $("told").textContent = sentence; }

// ---------------------------------------------------------------- the driver's hand

const down = new Set(), clicked = new Set();
const stick = { pad: [0, 0], pad2: [0, 0], isHeld: false };
let isIdle = true, sentAt = 0;

function fromKeys(axes, buttons) {
  const share = down.has("ShiftLeft") || down.has("ShiftRight") ? SLOW : 1;
  for (const code of down) {
    if (code in MOVES) axes[MOVES[code][0]] += share * MOVES[code][1];
    if (code in LABELS) buttons.add(LABELS[code]);
  }
  if (down.has("Space")) buttons.add("engage");
}

function fromPads(axes, buttons) {
  for (const pad of navigator.getGamepads?.() ?? []) {
    if (!pad?.connected || pad.mapping !== "standard") continue;
    const [lx, ly, rx, ry] = pad.axes.map(v => Math.abs(v) < DEAD ? 0 : v);
    axes[0] -= ly; axes[1] -= lx; axes[2] -= ry; axes[5] -= rx;
    for (const [name, index] of Object.entries(PADS)) if (pad.buttons[index]?.pressed) buttons.add(name);
  }
}

function hand() {
  const axes = [0, 0, 0, 0, 0, 0], buttons = new Set(clicked);
  fromKeys(axes, buttons);
  fromPads(axes, buttons);
  axes[0] -= stick.pad[1]; axes[1] -= stick.pad[0]; axes[2] -= stick.pad2[1]; axes[5] -= stick.pad2[0];
  if (stick.isHeld) buttons.add("engage");
  return { axes: axes.map(v => Math.max(-1, Math.min(1, v))), buttons: [...buttons] };
}

function sendHand() {
  if (!state?.drives) return;
  const now = hand();
  isIdle = now.buttons.length === 0 && now.axes.every(v => v === 0);
  sentAt = performance.now();
  say("hand", now);
  showHand(now);
}

setInterval(() => { if (performance.now() - sentAt >= (isIdle ? REST_MS : 0)) sendHand(); }, MOVE_MS);

function letGo() {
  down.clear(); clicked.clear();
  stick.isHeld = false; stick.pad = [0, 0]; stick.pad2 = [0, 0];
  sendHand();
}

const isTyping = event => event.target instanceof HTMLInputElement;

addEventListener("keydown", event => {
  if (event.code === "Escape") { say("stop"); event.preventDefault(); return; }
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code in MOVES || event.code in LABELS || event.code === "Space") event.preventDefault();
  if (event.repeat) return;
  if (event.code === "KeyM") say("mark");
  else if (event.code === "KeyT") { event.preventDefault(); openNote(); }
  else { down.add(event.code); sendHand(); }
});
addEventListener("keyup", event => { if (down.delete(event.code)) sendHand(); });
addEventListener("blur", letGo);
document.addEventListener("visibilitychange", () => { if (document.hidden) letGo(); });

for (const button of document.querySelectorAll("[data-label]")) {
  const release = () => { if (clicked.delete(button.dataset.label)) sendHand(); };
  button.addEventListener("pointerdown", () => { clicked.add(button.dataset.label); sendHand(); });
  for (const end of ["pointerup", "pointerleave", "pointercancel"]) button.addEventListener(end, release);
}
$("hold").addEventListener("pointerdown", event => {
  event.target.setPointerCapture(event.pointerId);
  stick.isHeld = true; sendHand();
});
for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
  $("hold").addEventListener(end, () => { stick.isHeld = false; sendHand(); });
for (const name of ["pad", "pad2"]) {
  const element = $(name), knob = element.querySelector("i");
  const move = (x, y) => { stick[name] = [x, y]; knob.style.transform = `translate(${36 * x}px, ${36 * y}px)`; sendHand(); };
  const follow = event => {
    const box = element.getBoundingClientRect();
    const x = 2 * (event.clientX - box.left) / box.width - 1, y = 2 * (event.clientY - box.top) / box.height - 1;
    const far = Math.max(1, Math.hypot(x, y));
    move(x / far, y / far);
  };
  element.addEventListener("pointerdown", event => { element.setPointerCapture(event.pointerId); follow(event); });
  element.addEventListener("pointermove", event => { if (element.hasPointerCapture(event.pointerId)) follow(event); });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) element.addEventListener(end, () => move(0, 0));
}

$("stop").addEventListener("pointerdown", () => say("stop"));
$("stop").addEventListener("click", event => { if (event.detail === 0) say("stop"); });  // by Enter
$("clear").addEventListener("click", () => { say("clear"); $("clear").blur(); });
$("invite").addEventListener("click", () => say("invite"));
$("drive").addEventListener("click", () => { say("drive"); $("drive").blur(); });
for (const button of document.querySelectorAll("[data-say]"))
  button.addEventListener("click", () => button.dataset.say === "note" ? openNote() : say(button.dataset.say));
for (const button of document.querySelectorAll("button")) button.addEventListener("mouseup", () => button.blur());

function openNote() { letGo(); $("note").hidden = false; $("note").firstElementChild.focus(); }
$("note").addEventListener("submit", event => {
  event.preventDefault();
  const input = $("note").firstElementChild;
  if (input.value.trim()) { say("note", { text: input.value.trim() }); tell("Noted."); }
  input.value = ""; $("note").hidden = true; input.blur();
});

// ---------------------------------------------------------------- what there is to see

function pill(mode, text) { $("mode").className = `pill ${mode}`; $("mode").textContent = text; }

function showLost() {
  pill("lost", "not connected");
  $("why").textContent = "The session is not there; this page keeps trying.";
  $("who").textContent = "nobody you can see"; $("who").className = "";
}

function show() {
  pill(state.mode, MODES[state.mode] ?? "starting");
  const isStopped = ["fault", "soft_stop", "disabled"].includes(state.mode);
  $("why").textContent = isStopped ? state.cause : state.blockers;
  $("why").title = $("why").textContent;
  $("clock").textContent = `${state.clock}, ${state.period_ms.toFixed(0)} ms`;
  $("banner").hidden = !["fault", "disabled"].includes(state.mode);
  $("banner").firstElementChild.textContent = `The robot is stopped: ${state.cause || state.mode}.`;
  $("clear").disabled = !state.drives;
  $("stop").classList.toggle("pressed", state.mode === "fault");
  showWho(); showRobot(); showPeople(); showCoach();
  const episode = state.episode;
  $("timer").textContent = episode.seconds === undefined ? (episode.ended ?? "-") : `${episode.seconds.toFixed(1)} s`;
  $("role").textContent = episode.step === undefined ? "" : `step ${episode.step}${episode.role ? `, you ${episode.role}` : ""}`;
}

function showWho() {
  const isHuman = state.mode === "human";
  const who = isHuman ? (state.drives ? "You have control" : `${state.driver || "A person"} has control`)
    : state.mode === "policy" ? "The policy has control" : state.mode === "resetting" ? "The robot resets itself" : "Nobody has control";
  $("who").textContent = who;
  $("who").className = isHuman && state.drives ? "me" : "";
  for (const figure of document.querySelectorAll("figure")) figure.classList.toggle("human", isHuman);
  if (!state.drives) showHand({ axes: [0, 0, 0, 0, 0, 0], buttons: [] });
  for (const button of document.querySelectorAll("[data-label], [data-say], #hold")) button.disabled = !state.drives;
}

function showHand(now) {
  now.axes.forEach((v, i) => {
    const bar = $("bars").children[i]?.querySelector("i");
    if (!bar) return;
    bar.style.left = `${50 + Math.min(0, 50 * v)}%`; bar.style.width = `${Math.abs(50 * v)}%`;
  });
  $("hold").classList.toggle("down", now.buttons.includes("engage"));
  for (const button of document.querySelectorAll("[data-label]"))
    button.classList.toggle("down", now.buttons.includes(button.dataset.label));
}

function showRobot() {
  const shares = Object.keys(ACTIVITIES).filter(name => state.duty[name] > 0.005);
  const parts = shares.map(name => {
    const part = document.createElement("i");
    part.style.width = `${100 * state.duty[name]}%`; part.style.background = tone(TONES[name]);
    return part;
  });
  $("duty").replaceChildren(...parts);
  $("dutytext").textContent = shares.map(name => `${ACTIVITIES[name]} ${(100 * state.duty[name]).toFixed(0)}%`).join(", ");
  for (const name of ["commanded", "executed"]) {
    const spread = state.loop[`${name}_ms`];
    $(name).textContent = spread?.p99 === undefined ? "-" : `${spread.median.toFixed(1)}, p99 ${spread.p99.toFixed(1)} ms`;
  }
  const residual = (state.policy.residual ?? []).filter(v => v !== null);
  $("residual").textContent = residual.length ? residual.map(v => v.toFixed(2)).join("  ") : "-";
  $("weights").textContent = state.policy.version >= 0 ? `version ${state.policy.version}` : "-";
}

function showPeople() {
  $("people").hidden = !(state.may_drive || state.others.length);
  const buttons = state.drives ? state.others.map(name => {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = `hand over to ${name}`; button.dataset.name = name;
    return button;
  }) : [];
  const text = `You are ${state.you}${state.drives ? ", who drives" : `; ${state.driver || "nobody"} drives`}.`;
  if ($("names").dataset.known !== text + state.others) {
    $("names").dataset.known = text + state.others;
    $("names").replaceChildren(text + " ", ...buttons);
  }
  $("drive").hidden = state.drives || !state.may_drive;
  $("invite").hidden = !state.drives;
}
$("names").addEventListener("click", event => { if (event.target.dataset.name) say("give", { to: event.target.dataset.name }); });

function showCoach() {
  $("coach").hidden = !state.coach;
  $("coach").lastElementChild.textContent = state.coach ?? "";
}

for (const axis of AXES) {
  const row = document.createElement("div");
  row.className = "bar"; row.append(axis, document.createElement("div"));
  row.lastElementChild.append(document.createElement("i"));
  $("bars").append(row);
}

// ---------------------------------------------------------------- curves

let chart = null;
const WINDOW = 10;

function showEpisodes(episodes) {
  const rolling = key => episodes.map((_, i) => {
    const last = episodes.slice(Math.max(0, i + 1 - WINDOW), i + 1);
    return last.reduce((sum, one) => sum + one[key], 0) / last.length;
  });
  $("number").textContent = episodes.length ? episodes.length + 1 : "";
  const data = [episodes.map((_, i) => i + 1), rolling("success"), rolling("human")];
  $("curves").dataset.episodes = episodes.length;
  if (chart) { chart.setData(data); return; }
  const line = (name, width) => ({ stroke: tone(name), width, spanGaps: true, points: { show: episodes.length < 2 } });
  const axis = { stroke: tone("--faint"), grid: { stroke: tone("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  chart = new uPlot({
    width: $("curves").clientWidth, height: 112, cursor: { show: false }, legend: { show: false },
    scales: { x: { time: false }, y: { range: [0, 1] } },
    axes: [{ ...axis, size: 22 }, { ...axis, size: 38, values: (_, ticks) => ticks.map(v => `${100 * v}%`), splits: [0, 0.5, 1] }],
    series: [{}, line("--good", 2), line("--accent", 1.5)],
  }, data, $("curves"));
}
addEventListener("resize", () => chart?.setSize({ width: $("curves").clientWidth, height: 112 }));

// ---------------------------------------------------------------- pictures

const views = [];

function buildCameras(names) {
  if (views.length) return;
  for (const name of names) {
    const figure = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
    caption.textContent = name; canvas.dataset.camera = name;
    figure.append(canvas, caption); $("cameras").append(figure);
    views.push({ figure, canvas, caption, name, shown: 0, times: [] });
  }
  look();
}

function look() {
  const pictures = new WebSocket(`ws://${location.host}/pictures`);
  pictures.binaryType = "arraybuffer";
  pictures.onmessage = async event => {
    const view = views[new Uint8Array(event.data, 0, 1)[0]];
    const picture = await createImageBitmap(new Blob([new Uint8Array(event.data, 1)], { type: "image/jpeg" }));
    if (view.canvas.width !== picture.width) { view.canvas.width = picture.width; view.canvas.height = picture.height; }
    view.canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    view.shown = performance.now();
    view.times = [...view.times.filter(t => t > view.shown - 1000), view.shown];
  };
  pictures.onclose = () => setTimeout(look, 1000);
}

setInterval(() => {
  const now = performance.now();
  for (const view of views) {
    const isStale = now - view.shown > LOST_MS;
    view.figure.classList.toggle("stale", isStale);
    view.caption.textContent = isStale ? `${view.name}: no picture` : `${view.name} ${view.times.length}/s`;
  }
  if (heard && now - heard > LOST_MS) showLost();
}, 250);

connect();
