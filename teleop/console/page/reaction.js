"use strict";
// How late its driver reacts: a field lights up at random moments, and Space answers. Nothing is driven meanwhile.

const FLASHES = 8, WAIT_MS = [900, 2600], TOO_EARLY_MS = 100;
let trial = null;  // {times, litAt, timer} while it is measured

function ask(text, isLit) { write("flash", text); $("flash").classList.toggle("now", isLit); }

function next() {
  const [least, most] = WAIT_MS;
  trial.litAt = 0;
  ask(`Press Space when this field lights up (${trial.times.length} of ${FLASHES}).`, false);
  trial.timer = setTimeout(() => {
    ask("Now!", true);
    // the moment at which it is seen is that of the next frame
    requestAnimationFrame(() => { if (trial) trial.litAt = performance.now(); });
  }, least + (most - least) * Math.random());
}

function answer(event) {
  const passed = event.timeStamp - trial.litAt;
  clearTimeout(trial.timer);
  if (trial.litAt && passed > TOO_EARLY_MS) trial.times.push(passed);  // a guess is no reaction
  if (trial.times.length < FLASHES) { next(); return; }
  const sorted = trial.times.sort((a, b) => a - b);
  const median = (sorted[FLASHES / 2 - 1] + sorted[FLASHES / 2]) / 2;
  const steps = Math.round(median / state.period_ms);
  say("reaction", { seconds: median / 1000 });
  end(`${median.toFixed(0)} ms, the median of ${FLASHES}: training.rewards.lag_steps=${steps} at ${state.period_ms.toFixed(0)} ms a step.`);
}

function end(text) {
  clearTimeout(trial.timer);
  trial = null;
  ask(text, false);
  write("measure", "Measure");
}

$("measure").addEventListener("click", () => {
  if (trial) { end("Not measured."); return; }
  letGo();
  trial = { times: [], litAt: 0, timer: 0 };
  write("measure", "Leave off");
  next();
});
// before the hand's own listeners: while it is measured, Space drives nothing
addEventListener("keydown", event => {
  if (!trial || event.code === "Escape") return;
  event.stopImmediatePropagation(); event.preventDefault();
  if (event.code === "Space" && !event.repeat) answer(event);
}, true);
