"""Before a session begins it is sure that somebody can teleoperate."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from robot.errors import ConfigError
from sessions import checks, people
from sessions.robot_config import RobotConfig
from teleop.device_config import DeviceConfig

MOUSE = RobotConfig(teleop=DeviceConfig(device="spacemouse"))


class Opened:
    """A device of hidapi's that opens, and has nothing to say."""

    def open_path(self, path: bytes) -> None:
        assert path == b"/dev/hidraw0"

    def set_nonblocking(self, v: int) -> int:
        return 0

    def read(self, max_length: int, timeout_ms: int = 0) -> list[int]:
        return []

    def close(self) -> None:
        pass


def _plug(monkeypatch: pytest.MonkeyPatch, *found: dict[str, Any]) -> None:
    monkeypatch.setitem(sys.modules, "hid", SimpleNamespace(enumerate=lambda: list(found), device=Opened))  # type: ignore[arg-type]


def test_the_simulated_operator_needs_nothing() -> None:
    people.require_person(RobotConfig(), is_realtime=False)


def test_a_person_needs_real_time() -> None:
    with pytest.raises(ConfigError, match=r"spacemouse is held by a person, who needs real time: add --realtime"):
        people.require_person(MOUSE, is_realtime=False)


def test_a_device_that_is_not_there_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug(monkeypatch)
    with pytest.raises(ConfigError, match="No SpaceMouse is plugged in; plug one in"):
        people.require_person(MOUSE, is_realtime=True)


def test_with_the_device_the_session_may_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug(monkeypatch, {"vendor_id": 0x256F, "product_id": 0xC635, "path": b"/dev/hidraw0"})
    people.require_person(MOUSE, is_realtime=True)


def test_the_doctor_says_what_is_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _plug(monkeypatch, {"vendor_id": 0x256F, "product_id": 0xC635, "path": b"/dev/hidraw0"})
    found = {finding.name: finding.found for finding in checks.devices()}
    assert found["spacemouse"] == "plugged in"
    assert "gamepad" in found
