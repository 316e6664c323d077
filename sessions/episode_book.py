"""How far a phase is, and its lines in the metrics: the same whether it is played over ROS 2 or in this process."""

from __future__ import annotations

from pathlib import Path

from robot.loop import EpisodeSummary
from robot.store import Episode, StoreReader
from robot.types import Source
from sessions.phases import Phase
from sessions.run import Run
from sessions.step_times import StepTimes


class EpisodeBook:
    """Keeps `metrics/episodes.jsonl` and `metrics/timing.jsonl` of one phase, in step with its store."""

    def __init__(self, run: Run, phase: Phase) -> None:
        self._run, self._phase = run, phase

    def progress(self, store: Path) -> tuple[int, int]:
        """Return the index of the next episode and the steps so far.

        An episode that a dead session left behind counts in finetuning, where the learner takes it as any other;
        as a demonstration or in an evaluation it is played again, under the same seed.
        """
        reader = StoreReader.open(store)
        episodes = [reader.episode(i) for i in range(reader.refresh())]
        if self._phase.name == "finetune":
            self._log_unlogged(episodes)
        if self._phase.name != "finetune":
            episodes = [episode for episode in episodes if not episode.is_aborted]
        return len(episodes), sum(episode.length for episode in episodes)

    def is_enough(self, index: int, steps: int, episodes: int) -> bool:
        """Whether the phase is over: by its episodes, or in finetuning by the steps of the run's config."""
        if self._phase.name == "finetune":
            return steps >= self._run.config.training.total_steps
        return index >= episodes

    def log(self, summary: EpisodeSummary, index: int, steps: int, waited_s: float) -> None:
        """Append the line of one episode; `steps` are those of the phase so far."""
        self._run.log(
            "episodes",
            {
                "phase": self._phase.name,
                "index": index,
                "seed": summary.seed,
                "steps": summary.steps,
                "success": summary.is_success,
                "aborted": summary.is_aborted,
                **({"cause": summary.cause} if summary.cause else {}),
                "human_steps": summary.human_steps,
                "interventions": summary.interventions,
                "robot_steps": steps,
                "weights_version": summary.weights_version,
                "wall_s": round(summary.wall_s, 4),
                "sim_s": round(summary.sim_s, 4),
                "step_ms": [round(ms, 3) for ms in summary.step_ms],
                "reset_s": round(summary.reset_s, 4),
                "wait_s": round(waited_s, 4),
            },
        )

    def log_timing(self, summary: EpisodeSummary, index: int, period_s: float) -> None:
        """Append what the stamps of an episode say, under a control period of `period_s`."""
        line = StepTimes.of(summary.timings, period_s).line()
        self._run.log("timing", {"phase": self._phase.name, "index": index, **line})

    def _log_unlogged(self, episodes: list[Episode]) -> None:
        """Give episodes that a dead actor left in the store, but not in the metrics, their lines."""
        logged = {line["index"] for line in self._run.lines("episodes") if line["phase"] == self._phase.name}
        steps = 0
        for episode in episodes:
            steps += episode.length
            if episode.index in logged:
                continue
            summary = EpisodeSummary(
                seed=int(episode.attributes["seed"]),
                steps=episode.length,
                is_success=episode.is_success,
                is_aborted=episode.is_aborted,
                human_steps=int((episode.source == Source.HUMAN).sum()),
                interventions=episode.interventions,
                weights_version=int(episode.weights_version[-1]),
            )
            self.log(summary, episode.index, steps, waited_s=0.0)
