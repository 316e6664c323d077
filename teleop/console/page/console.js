"use strict";
// The console's page: shows what the session tells, and says what its driver does. No more of it is trusted than it says.

const $ = id => document.getElementById(id);
const LOST_MS = 1000;
const AXES = ["x", "y", "z", "rx", "ry", "rz"];
const MODES = { policy: "policy drives", human: "by hand", resetting: "resetting", ready: "ready", soft_stop: "soft stop",
  fault: "fault", disabled: "disabled" };
const ACTIVITIES = { policy: "policy", human: "by hand", reset: "reset", waiting: "waiting", stopped: "stopped" };
const TONES = { policy: "--blue", human: "--accent", reset: "--base", waiting: "--line", stopped: "--bad" };
const tone = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---------------------------------------------------------------- the line to the session

let socket = null, page = "", number = 0, state = null, heard = 0, waitMs = 250, newest = -1;

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
    if (told.state) { state = told.state; show(); hear(state.told); }
    if (told.episodes) showEpisodes(told.episodes);
    if (told.answer) tell(told.answer);
    if (told.refused) tell(`Refused: ${told.refused}.`);
    if (told.link) $("link").textContent = new URL(told.link, location.href).href + " (good for one visit)";
  };
  socket.onclose = () => { page = ""; showLost(); setTimeout(connect, waitMs); waitMs = Math.min(2 * waitMs, 4000); };
}

// what has not changed is not written: a page that repaints costs the computer that the robot runs on
function write(id, text) { if ($(id).textContent !== text) $(id).textContent = text; }

// what the session answers, once; what it said before this page came is old
function hear(told) {
  if (told && newest >= 0 && told.number > newest) tell(told.text);
  newest = told?.number ?? 0;
}

function tell(sentence) { $("told").textContent = sentence; }

// ---------------------------------------------------------------- what there is to see

function pill(mode, text) {
  write("mode", text);
  if ($("mode").className !== `pill ${mode}`) $("mode").className = `pill ${mode}`;
}

function showLost() {
  pill("lost", "not connected");
  $("why").textContent = "The session is not there; this page keeps trying.";
  $("who").textContent = "nobody you can see"; $("who").className = "";
}

function show() {
  pill(state.mode, MODES[state.mode] ?? "starting");
  const isStopped = ["fault", "soft_stop", "disabled"].includes(state.mode);
  write("why", isStopped ? state.cause : state.blockers);
  $("why").title = $("why").textContent;
  write("clock", `${state.clock}, ${state.period_ms.toFixed(0)} ms`);
  $("banner").hidden = !["fault", "disabled"].includes(state.mode);
  $("banner").firstElementChild.textContent = `The robot is stopped: ${state.cause || state.mode}.`;
  $("clear").disabled = !state.drives;
  $("stop").classList.toggle("pressed", state.mode === "fault");
  showWho(); showRobot(); showPeople(); showCoach(); cue(state);
  const episode = state.episode;
  write("timer", episode.seconds === undefined ? (episode.ended ?? "-") : `${episode.seconds.toFixed(1)} s`);
  write("role", episode.step === undefined ? "" : `step ${episode.step}${episode.role ? `, you ${episode.role}` : ""}`);
}

const canDrive = () => Boolean(state?.drives && state.device === "browser");

const canLabel = () => Boolean(state?.drives && state.device && state.device !== "simulated");

function showWho() {
  const isHuman = state.mode === "human";
  const who = isHuman ? (canDrive() ? "You have control" : `${state.driver || "A person"} has control`)
    : state.mode === "policy" && state.episode.role === "demonstrate" ? "The robot waits for you"
    : state.mode === "policy" ? "The policy has control" : state.mode === "resetting" ? "The robot resets itself" : "Nobody has control";
  write("who", who);
  $("who").className = isHuman && canDrive() ? "me" : "";
  for (const figure of document.querySelectorAll("figure")) figure.classList.toggle("human", isHuman);
  if (!canDrive()) showHand({ axes: [0, 0, 0, 0, 0, 0], buttons: [] });
  for (const button of document.querySelectorAll("[data-label]")) button.disabled = !canLabel();
  $("hold").disabled = !canDrive();
  for (const button of document.querySelectorAll("[data-say]")) button.disabled = !state.drives;
  if (state.drives && !canDrive() && !$("told").textContent) tell(`This session is teleoperated by: ${state.device || "nobody"}.`);
}

let shownHand = "";

function showHand(now) {
  const text = JSON.stringify(now);
  if (text === shownHand) return;
  shownHand = text;
  now.axes.forEach((v, i) => {
    const bar = $("bars").children[i]?.querySelector("i");
    if (!bar) return;
    bar.style.left = `${50 + Math.min(0, 50 * v)}%`; bar.style.width = `${Math.abs(50 * v)}%`;
  });
  $("hold").classList.toggle("down", now.buttons.includes("engage"));
  for (const button of document.querySelectorAll("[data-label]"))
    button.classList.toggle("down", now.buttons.includes(button.dataset.label));
}

let shownRobot = -Infinity;

function showRobot() {
  if (performance.now() - shownRobot < 1000) return;
  shownRobot = performance.now();
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
  const certainty = state.policy.certainty ?? null;
  $("certainty").textContent = certainty === null ? "-"
    : `${certainty > 0 ? "+" : ""}${certainty.toFixed(1)} σ, ${state.policy.is_refused ? "held back" : "passes"}`;
  $("weights").textContent = state.policy.version >= 0 ? `version ${state.policy.version}` : "-";
}

function showPeople() {
  $("people").hidden = !(state.may_drive || state.others.length);
  const buttons = state.drives ? state.others.map(name => {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = `hand over to ${name}`; button.dataset.name = name;
    return button;
  }) : [];
  const text = `You are ${state.you}${state.drives ? ", who drives" : state.driver === state.you ? ", and drive from another page" : `; ${state.driver || "nobody"} drives`}.`;
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
    axes: [{ ...axis, size: 22, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] }, { ...axis, size: 38, values: (_, ticks) => ticks.map(v => `${100 * v}%`), splits: [0, 0.5, 1] }],
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

addEventListener("DOMContentLoaded", connect);  // the other scripts are there by then
