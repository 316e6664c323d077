"""Sessions in real time: every step's path is stamped and reported; without a learner the arm holds at once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import DEADLINE_S, LIGHT, SMALL, Nudge

from robot.store import StoreReader, check
from robot.timing import LATE
from robot.types import Source
from sessions.report import write_report

pytestmark = [pytest.mark.ros, pytest.mark.slow, pytest.mark.timeout(900)]

TRIES = 4
BEGUN_BYTES = 100_000
"""A journal of so much holds some steps of an episode with one camera."""


def _lines(run: Path, metric: str) -> list[dict]:
    path = run / "metrics" / f"{metric}.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def test_a_recording_in_real_time_tells_when_each_part_of_a_step_happened(nudge: Nudge, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for _ in range(TRIES):  # a machine that is busy for seconds stops a reset: whoever sees that goes on, as it says
        status, output = nudge.run("record", "--realtime", "--run", str(run), "--episodes", "1", "--json", *LIGHT)
        if status == 0:
            break
        assert "Every acknowledged step is kept; go on with" in output
    assert status == 0, output
    result = json.loads(output.splitlines()[-1])
    assert check(run / "demos.zarr") == []
    reader = StoreReader.open(run / "demos.zarr")
    episode = reader.episode(len(reader) - 1)

    known = episode.timing_ns[:, :LATE]
    told = np.all(known > 0, axis=1)
    assert told.mean() > 0.5, "mux and arm told of few steps"
    assert np.all(np.diff(known[told], axis=1) >= 0), "captured, observed, decided, commanded, executed: in this order"
    assert np.all(known[:, 1] >= episode.stamp_ns)
    for stream in episode.stream_stamps_ns.values():
        assert np.all(known[:, 0] <= stream)
    # the clock is the host's, and no simulation runs ahead of it: nothing is older than a second, nothing instant
    ages_s = (known[told][:, 4] - known[told][:, 0]) * 1e-9
    assert np.all((ages_s > 1e-4) & (ages_s < 1.0))
    # the period is kept on the whole, whatever single ticks did
    assert np.median(np.diff(episode.stamp_ns)) == pytest.approx(1e8, rel=0.2)
    # the person does the first episode as all others
    assert np.mean(episode.source == Source.HUMAN) > 0.5
    assert episode.is_success

    lines = _lines(run, "timing")  # one an episode; a busy machine may stop one, which is then played again
    assert [(line["phase"], line["index"], line["clock"]) for line in lines] == [("record", 0, "real time")] * len(
        reader
    )
    assert [line["steps"] for line in lines] == [reader.episode(i).length for i in range(len(reader))]
    assert result["missed_deadlines"] == sum(line["missed_deadlines"] for line in lines)
    assert result["capture_to_executed_p99_ms"] <= max(line["capture_to_executed_ms"]["max"] for line in lines)
    report = (run / "report.html").read_text()
    assert "<td >capture to executed</td>" in report
    assert "Stops and their causes" in report


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_without_its_learner_the_arm_holds_until_there_is_one_again(
    nudge: Nudge, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    # a learner that has nothing to learn: its life is what counts
    assert nudge.run("record", "--run", str(run), *SMALL, *LIGHT, "training.total_steps=100000")[0] == 0
    assert nudge.run("pretrain", "--run", str(run))[0] == 0
    session = nudge.start("finetune", "--realtime", "--run", str(run))
    learner = nudge.child(session, "sessions.learner")
    journal = run / "online.zarr" / "journal" / "episode"
    nudge.wait_in(
        session, lambda: journal.exists() and journal.stat().st_size > BEGUN_BYTES, "some steps of an episode"
    )
    os.kill(learner, number)
    nudge.wait_in(session, lambda: _stops_of(run, learner), "a stop that names the learner")
    stopped = _stops_of(run, learner)[0]
    reader = StoreReader.open(run / "online.zarr")
    last = reader.episode(stopped["episode"])
    assert (last.is_aborted, last.has_final, last.length) == (True, True, stopped["step"])
    nudge.wait_in(session, lambda: reader.refresh() > last.index and _is_begun(journal), "the next episode")
    assert nudge.child(session, "sessions.learner") != learner
    assert any(line["event"] == "learner_restarted" for line in _lines(run, "stops"))
    session.send_signal(signal.SIGINT)
    session.communicate(timeout=DEADLINE_S)
    write_report(run)
    assert stopped["cause"] in (run / "report.html").read_text()


def _stops_of(run: Path, learner: int) -> list[dict]:
    return [s for s in _lines(run, "stops") if f"process {learner}" in s["cause"] and s["episode"] is not None]


def _is_begun(journal: Path) -> bool:
    return journal.exists() and journal.stat().st_size > BEGUN_BYTES
