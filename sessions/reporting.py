"""Every run ends with its report: how it went, how long its steps took, and why it was stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from robot.errors import NudgeError
from sessions.begun import is_untouched
from sessions.run import STORES, Run
from sessions.step_times import StepTimes

_log = logging.getLogger("nudge.report")


@contextmanager
def reported(run: Run) -> Iterator[None]:
    """Write the run's report at the end of the with-block, also where a sentence of ours ends it; not on Ctrl-C."""
    try:
        yield
    except NudgeError:
        if not is_untouched(run.path):  # else there is nothing to report of
            _write(run)
        raise
    _write(run)


def time_summary(run: Run, phase: str) -> dict[str, Any]:
    """Return what the result of a verb says of a phase's timing and stops: nothing in lockstep without a stop."""
    stops = sum(line.get("phase") == phase for line in run.lines("stops"))
    return StepTimes.read(run.store(STORES[phase])).brief() | ({"stops": stops} if stops else {})


def _write(run: Run) -> None:
    from sessions.report import write_report

    try:
        write_report(run.path)
    except (NudgeError, OSError) as error:
        # a full disk, or a metric that is damaged: no reason to call what was recorded a failure
        _log.warning("The report of %s was not written: %s", run.path, error)
