"use strict";
// Cues for who looks at the robot and not at the page: who took control, how an episode ended, that something stopped.

let audio = null, heardMode = "", heardEnd = "";
const TONES_HZ = { human: [660, 880], policy: [880, 660], success: [660, 880, 1320], end: [440], stop: [220, 165, 220] };
const LONG_S = 0.09;

function play(name) {
  if (!audio) return;
  TONES_HZ[name].forEach((frequency, i) => {
    const tone = audio.createOscillator(), volume = audio.createGain(), at = audio.currentTime + 1.2 * LONG_S * i;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.12, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + LONG_S);
    tone.connect(volume).connect(audio.destination);
    tone.start(at); tone.stop(at + LONG_S);
  });
}

function cue(state) {
  const ended = state.episode.is_running ? "" : state.episode.ended ?? "";
  if (ended !== heardEnd && ended) play(ended === "success" ? "success" : "end");
  if (state.mode !== heardMode) {
    if (["fault", "soft_stop", "disabled"].includes(state.mode)) play("stop");
    else if (state.mode === "human" || (heardMode === "human" && state.mode === "policy")) play(state.mode);
  }
  [heardMode, heardEnd] = [state.mode, ended];
}

// a browser lets a page sound only after somebody has asked for it
$("sound").addEventListener("click", () => {
  if (audio) { audio.close(); audio = null; } else { audio = new AudioContext(); play("human"); }
  $("sound").textContent = audio ? "sound on" : "sound off";
  $("sound").setAttribute("aria-pressed", String(audio !== null));
});
