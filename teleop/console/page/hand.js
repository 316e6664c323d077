"use strict";
// What the driver's hand does: keys, gamepad, touch. Uses say, state, tell and showHand of console.js.

const REST_MS = 40, MOVE_MS = 20, SLOW = 0.3, DEAD = 0.08;
const MOVES = { KeyW: [0, 1], KeyS: [0, -1], KeyA: [1, 1], KeyD: [1, -1], KeyR: [2, 1], KeyF: [2, -1], KeyQ: [5, 1], KeyE: [5, -1] };
const LABELS = { KeyY: "success", KeyN: "failure", Delete: "discard", Backspace: "discard" };
const PADS = { engage: 5, success: 0, failure: 1, discard: 3 };

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
  if (!canLabel()) return;
  const now = hand();
  if (!canDrive()) { now.axes = [0, 0, 0, 0, 0, 0]; now.buttons = now.buttons.filter(name => name !== "engage"); }
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
  else if (event.code === "KeyU") say("undo");
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
