"""How far a phase is, and its lines in the metrics: the same whether it is played over ROS 2 or in this process."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from robot.errors import RobotError
from robot.loop import EpisodeSummary
from robot.store import Episode, StoreReader
from robot.types import Source
from sessions.build import episode_seed
from sessions.phases import Phase
from sessions.run import Run
from sessions.step_times import StepTimes


class EpisodeBook:
    """Keeps `metrics/episodes.jsonl` and `metrics/timing.jsonl` of one phase, in step with its store.

        book.open(store)
        while not book.is_enough(episodes):
            index = book.index
            summary = run_episode(...)              # under the seed of this index
            book.log(summary, index, waited_s=0.0)

    In finetuning every episode counts. A demonstration or an evaluation that was aborted, also by death or in
    hindsight, does not: it is played again, under the same seed.
    """

    def __init__(self, run: Run, phase: Phase) -> None:
        self._run, self._phase = run, phase
        self._steps: dict[int, int] = {}
        self._last: EpisodeSummary | None = None
        self._last_index = 0

    def open(self, store: Path) -> None:
        """Look how far the phase is."""
        reader = StoreReader.open(store)
        episodes = [reader.episode(i) for i in range(reader.refresh())]
        if self._is_finetune:
            self._log_unlogged(episodes)
            self._steps = {episode.index: episode.length for episode in episodes}
            return
        first, self._steps = episode_seed(self._run.config, self._phase.seeds, 0), {}
        others = -1  # of another run's seeds, which an edit may have brought: they count, and leave ours alone
        for episode in episodes:
            if episode.is_aborted:
                continue
            index = int(episode.attributes["seed"]) - first
            if index < 0 or index in self._steps:
                index, others = others, others - 1
            self._steps[index] = episode.length

    @property
    def index(self) -> int:
        """The next episode: the first one that is still to be played."""
        return next(index for index in count() if index not in self._steps)

    @property
    def episodes(self) -> int:
        """How many episodes count."""
        return len(self._steps)

    @property
    def steps(self) -> int:
        """How many steps they have."""
        return sum(self._steps.values())

    def is_enough(self, episodes: int) -> bool:
        """Whether the phase is over: by its episodes, or in finetuning by the steps of the run's config."""
        if self._is_finetune:
            return self.steps >= self._run.config.training.total_steps
        return self.episodes >= episodes

    def log(self, summary: EpisodeSummary, index: int, waited_s: float, is_repeatable: bool = True) -> None:
        """Append the line of an episode that has been played.

        Args:
            summary: of it.
            index: what `index` was before it.
            waited_s: how long it waited for weights.
            is_repeatable: False where one that was aborted would be so again, and therefore counts.
        """
        if self._is_finetune or not summary.is_aborted or not is_repeatable:
            self._steps[index] = summary.steps
        self._last, self._last_index = summary, index
        self._log(summary, index, self.steps, waited_s)
        self._log_timing(summary, index, self._run.config.control.period_s)

    @property
    def may_take_back(self) -> bool:
        """Whether this session has played an episode, and the last one is not aborted as it is."""
        return self._last is not None and not self._last.is_aborted

    def take_back(self) -> None:
        """Count the last episode of this session as aborted; RobotError where it may not be."""
        if self._last is None or self._last.is_aborted:
            raise RobotError("There is no episode that could be taken back.")
        self._last = replace(self._last, is_success=False, is_aborted=True, cause="its label was taken back")
        if not self._is_finetune:
            del self._steps[self._last_index]
        self._log(self._last, self._last_index, self.steps, 0.0)

    @property
    def _is_finetune(self) -> bool:
        return self._phase.name == "finetune"

    def _log(self, summary: EpisodeSummary, index: int, steps: int, waited_s: float) -> None:
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

    def _log_timing(self, summary: EpisodeSummary, index: int, period_s: float) -> None:
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
            self._log(summary, episode.index, steps, waited_s=0.0)
