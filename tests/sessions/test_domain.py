"""A session has its domain to itself; a process that starts ROS 2 keeps to this host unless a person says otherwise."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import pytest

from robot.errors import RobotError
from sessions.checks_ros import BASE_PORT, PORTS_PER_DOMAIN
from sessions.domain import DOMAINS, PROFILE, PROFILES, RANGE, Domain, stay_on_this_host

SESSIONS = Path(__file__).resolve().parents[2] / "sessions"


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ({}, {PROFILES: str(PROFILE), RANGE: "SYSTEM_DEFAULT"}),
        ({RANGE: ""}, {PROFILES: str(PROFILE), RANGE: "SYSTEM_DEFAULT"}),
        ({RANGE: "LOCALHOST"}, {PROFILES: str(PROFILE), RANGE: "SYSTEM_DEFAULT"}),
        ({RANGE: "SUBNET"}, {}),
        ({RANGE: "OFF"}, {}),
        ({PROFILES: "mine.xml"}, {}),
        ({PROFILES: "mine.xml", RANGE: "LOCALHOST"}, {}),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, {RANGE: "LOCALHOST"}),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp", RANGE: "SUBNET"}, {}),
    ],
)
def test_what_the_person_has_set_counts(
    asked: dict[str, str], got: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"ROS_DOMAIN_ID": "7"} | asked)
    stay_on_this_host()
    assert os.environ == {"ROS_DOMAIN_ID": "7"} | asked | got


def test_every_process_of_ours_that_starts_ros_2_stays_on_this_host() -> None:
    starting = [path for path in SESSIONS.glob("*.py") if "from robot.nodes.spin import" in path.read_text()]
    assert {path.name for path in starting} >= {"node.py", "actor.py"}
    for path in starting:
        assert "    stay_on_this_host()\n" in path.read_text(), path.name


@pytest.fixture
def no_domain_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)


@pytest.mark.usefixtures("no_domain_named")
def test_two_sessions_get_two_domains(tmp_path: Path) -> None:
    with Domain(tmp_path) as one, Domain(tmp_path) as other:
        assert one.id != other.id
    with Domain(tmp_path) as again:
        assert again.id == one.id


@pytest.mark.usefixtures("no_domain_named")
def test_no_free_domain_is_one_sentence(tmp_path: Path) -> None:
    locks = [(tmp_path / f"nudge-domain-{number}.lock").open("a+") for number in DOMAINS]
    try:
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RobotError, match="No ROS domain is free"):
            Domain(tmp_path)
    finally:
        for lock in locks:
            lock.close()


def test_a_named_domain_that_is_in_use_is_refused_with_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    with Domain(tmp_path) as held:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(held.id))
        with pytest.raises(RobotError, match=f"ROS domain {held.id} is in use .last by process {os.getpid()}"):
            Domain(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", BASE_PORT + PORTS_PER_DOMAIN * 101 + 10))
        monkeypatch.setenv("ROS_DOMAIN_ID", "101")
        with pytest.raises(RobotError, match=r"ROS domain 101 is in use \(by a program that is no session of nudge"):
            Domain(tmp_path)
    for bad in ("500", "-1", "two"):
        monkeypatch.setenv("ROS_DOMAIN_ID", bad)
        with pytest.raises(RobotError, match="must be a number from 0 to 101"):
            Domain(tmp_path)
