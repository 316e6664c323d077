"""A stop counts once, from the moment the episode began, with the mode, the event and the cause that the mux told."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from robot.errors import ResetStoppedError, RobotError
from robot.nodes.stops import SILENCE_S, MuxWatch, Stop

CAUSE = "camera_front repeats the same picture since 0.16 s"


def status(mode: str, since_ns: int, cause: str = "", event: str = "", blockers: str = "") -> DiagnosticStatus:
    values = {"since": str(since_ns), "cause": cause, "event": event, "blockers": blockers}
    return DiagnosticStatus(message=mode, values=[KeyValue(key=k, value=v) for k, v in values.items()])


def watch(*statuses: DiagnosticStatus) -> MuxWatch:
    made = MuxWatch()
    for one in statuses:
        made.take(one)
    return made


@pytest.mark.parametrize("mode", ["soft_stop", "fault", "disabled"])
def test_a_stop_in_mid_episode_is_kept_with_its_cause(mode: str):
    mux = watch(status("ready", 1))
    mux.begin()
    mux.take(status("policy", 2))
    assert mux.stop is None
    mux.take(status(mode, 3, CAUSE, "sensor_frozen"))
    assert mux.stop == Stop(mode, "sensor_frozen", CAUSE)


def test_the_first_stop_counts_and_outlives_what_follows():
    mux = watch(status("policy", 1))
    mux.begin()
    mux.take(status("soft_stop", 2, CAUSE, "sensor_frozen"))
    mux.take(status("fault", 3, "e_stop", "e_stop"))
    mux.take(status("human", 4))
    assert mux.stop == Stop("soft_stop", "sensor_frozen", CAUSE)
    assert not mux.is_stopped


def test_a_stop_from_before_the_episode_does_not_count_however_often_it_is_told():
    mux = watch(status("soft_stop", 2, CAUSE, "sensor_frozen"))
    mux.begin()
    mux.take(status("soft_stop", 2, CAUSE, "sensor_frozen"))
    assert mux.stop is None
    assert mux.is_stopped
    mux.take(status("soft_stop", 5, "another", "node_silent"))
    assert mux.stop == Stop("soft_stop", "node_silent", "another")
    mux.begin()
    assert mux.stop is None


@pytest.mark.parametrize("mode", ["ready", "policy", "human", "resetting"])
def test_other_modes_are_no_stop(mode: str):
    mux = watch()
    mux.begin()
    mux.take(status(mode, 2))
    assert mux.stop is None
    assert not mux.is_stopped


def test_a_stop_without_a_cause_names_the_blockers_or_the_mode():
    mux = watch()
    mux.take(status("soft_stop", 1, blockers="the wrist camera is silent"))
    assert mux.stop is not None
    assert mux.stop.cause == "the wrist camera is silent"
    mux.begin()
    mux.take(DiagnosticStatus(message="fault"))
    assert mux.stop == Stop("fault", "", "the mux is in mode fault")


def test_a_mux_that_falls_silent_is_a_stop_and_one_that_never_spoke_is_none():
    mux = watch()
    mux._heard -= 2 * SILENCE_S
    assert mux.silence is None
    mux.take(status("policy", 1))
    assert mux.silence is None
    mux._heard -= 2 * SILENCE_S
    assert mux.silence == Stop("policy", "node_silent", "The mux has been silent for 1.0 s.")
    mux.begin()
    assert mux.silence is None


@pytest.mark.parametrize(
    ("mode", "blockers", "may_reset"),
    [
        ("soft_stop", "camera front is older than 0.15 s", False),
        ("soft_stop", "", True),
        ("ready", "", True),
        ("fault", "camera front is older than 0.15 s", True),
        ("disabled", "camera front is older than 0.15 s", True),
    ],
)
def test_a_reset_waits_for_what_may_pass_and_not_for_a_person(mode: str, blockers: str, may_reset: bool):
    assert watch(status(mode, 1, CAUSE, "sensor_stale", blockers)).may_reset is may_reset


def test_a_mux_that_fell_silent_breaks_off_a_reset_in_real_time_only():
    mux = watch(status("resetting", 1))
    mux.begin()
    assert mux.broken(is_realtime=True) is None
    time.sleep(1.1 * SILENCE_S)
    found = mux.broken(is_realtime=True)
    assert found is not None
    assert "mux" in found.cause
    assert mux.broken(is_realtime=False) is None


@pytest.mark.parametrize(("mode", "needs_person"), [("soft_stop", False), ("ready", False), ("fault", True)])
def test_what_stopped_a_reset_may_pass_or_needs_a_person(mode: str, needs_person: bool):
    mux = watch(status(mode, 1, CAUSE, "sensor_frozen"))
    error = mux.reset_error("Reset failed: no home.", Stop(mode, "sensor_frozen", CAUSE))
    assert isinstance(error, ResetStoppedError)
    assert (error.needs_person, mux.needs_person) == (needs_person, needs_person)
    assert str(error) == f"Reset failed: no home ({CAUSE})."


def test_a_reset_that_nothing_stopped_has_failed_by_itself():
    error = watch(status("ready", 1)).reset_error("Reset failed: the start pose was not reached.", None)
    assert type(error) is RobotError
    assert str(error) == "Reset failed: the start pose was not reached."
