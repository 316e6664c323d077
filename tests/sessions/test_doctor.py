"""Each check of the doctor bites on the trouble it is there for."""

from __future__ import annotations

import math
import mmap
import os
import sys
from pathlib import Path

import pytest

from robot import priority
from sessions import checks, checks_ros, checks_time
from sessions.checks_ros import busy_domains, udp_ports


@pytest.mark.parametrize(("sizes", "status"), [((4194304, 4194304), "ok"), ((212992, 4194304), "warn"), ((), "ok")])
def test_small_socket_buffers_are_said_with_what_to_do(tmp_path: Path, sizes: tuple[int, ...], status: str) -> None:
    limits = [tmp_path / name for name in ("rmem_max", "wmem_max")]
    for limit, size in zip(limits, sizes, strict=False):
        limit.write_text(f"{size}\n")
    found = checks_ros.socket_buffers(limits)
    assert found.status == status
    assert ("sysctl -w net.core.rmem_max=4194304" in found.advice) == (status == "warn")


def test_a_foreign_owner_of_a_package_name_fails_and_is_named() -> None:
    findings = checks.collisions({"robot": ["nudge-robot", "robotframework"], "teleop": ["teleop"]})
    assert [f.status for f in findings] == ["fail", "fail"]
    assert "'robot' is also owned by robotframework" in findings[0].found
    assert "pip uninstall teleop" in findings[1].advice


def test_our_own_names_and_ros_2s_launch_are_no_collision() -> None:
    owners = {"robot": ["nudge-robot"], "launch": ["launch"], "numpy": ["numpy"]}
    assert [f.status for f in checks.collisions(owners)] == ["ok"]


def test_a_folder_that_shadows_a_package_of_ours_fails_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.strays() == []
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "calibration", raising=False)
    (found,) = checks.strays()
    assert found.status == "fail"
    assert f"'calibration' is taken from {tmp_path / 'calibration'}" in found.found


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 12), "ok"), ((3, 13), "fail")]
)
def test_only_the_supported_pythons_pass(version: tuple[int, int], status: str) -> None:
    assert checks.python(version).status == status


def test_a_domain_with_a_participant_is_busy() -> None:
    ports = {7400 + 250 * 3 + 10, 22, 7400 + 250 * 7}
    assert busy_domains(ports) == {3, 7}
    assert checks_ros.domain({"ROS_DOMAIN_ID": "3"}, ports).status == "warn"
    assert checks_ros.domain({"ROS_DOMAIN_ID": "4"}, ports).status == "ok"
    assert checks_ros.domain({}, {7410}).status == "warn"


@pytest.mark.parametrize("text", ["-1", "102", "home", ""])
def test_an_impossible_domain_fails(text: str) -> None:
    assert checks_ros.domain({"ROS_DOMAIN_ID": text}, ()).status == "fail"


def test_ephemeral_ports_of_other_programs_are_not_taken_for_domains() -> None:
    assert busy_domains({33834, 65535}) == set()


def test_ports_are_read_from_the_kernels_table(tmp_path: Path) -> None:
    row = "  57: 0100007F:1CF2 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 99 2 0 0\n"
    (tmp_path / "udp").write_text("  sl  local_address rem_address\n" + row)
    assert udp_ports([tmp_path / "udp", tmp_path / "none"]) == {7410}


def test_shared_memory_of_dead_processes_is_told_from_that_of_living_ones(tmp_path: Path) -> None:
    for name in ("fastdds_aa", "fastdds_aa_el", "fastdds_port7411", "sem.fastdds_port7411_mutex", "other"):
        (tmp_path / name).write_bytes(b"x")
    dead = checks_ros.leftovers(tmp_path, used={"fastdds_aa"})
    assert [path.name for path in dead] == ["fastdds_port7411", "sem.fastdds_port7411_mutex"]


def test_a_segment_that_this_process_maps_is_in_use() -> None:
    path = Path("/dev/shm") / f"fastdds_test_{os.getpid()}"
    path.write_bytes(b"\0" * 4096)
    try:
        assert path in checks_ros.leftovers(path.parent, checks_ros.names_in_use(Path("/proc")))
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
            assert path not in checks_ros.leftovers(path.parent, checks_ros.names_in_use(Path("/proc")))
    finally:
        path.unlink()


def test_many_leftovers_are_worth_a_warning(tmp_path: Path) -> None:
    for number in range(201):
        (tmp_path / f"fastdds_{number}").touch()
    assert checks_ros.shared_memory(checks_ros.leftovers(tmp_path, set())).status == "warn"
    assert checks_ros.shared_memory([]).status == "ok"


def test_a_run_directory_that_does_not_exist_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    assert str(tmp_path) in checks.disk(tmp_path / "runs" / "new").found


def test_one_core_is_worth_a_warning() -> None:
    assert (checks.cores(1).status, checks.cores(2).status) == ("warn", "ok")


def test_a_clock_that_is_set_fails_and_one_that_nobody_steers_is_worth_a_look() -> None:
    judged = checks_time.judged_clock
    assert judged(1.5, 0.05).status == "fail"
    assert "was set by -30.0 ms" in judged(None, -0.03).found
    assert judged(math.nan, 0.0).status == "warn"
    assert (judged(None, 0.0).status, judged(-12.3, 0.0).status) == ("ok", "ok")
    assert "steered by -12.3 ppm" in judged(-12.3, 0.0).found


def test_the_kernels_word_on_the_clock_can_be_read() -> None:
    found = checks_time.steering()
    assert found is None or math.isnan(found) or abs(found) <= 500.0  # the kernel slews by no more


def test_the_kernels_struct_is_read_at_the_right_places() -> None:
    timex = bytearray(208)
    timex[16:24] = (-98304).to_bytes(8, sys.byteorder, signed=True)  # freq, in 1/65536 ppm
    assert checks_time.correction_ppm(bytes(timex)) == -1.5
    timex[40:44] = (0x40).to_bytes(4, sys.byteorder)  # status: unsynchronised
    assert math.isnan(checks_time.correction_ppm(bytes(timex)))


def test_a_clock_that_nobody_sets_does_not_step() -> None:
    assert checks_time.watched_step_s(0.05) == 0.0


@pytest.mark.parametrize(
    ("granted", "status", "advice"), [(50, "ok", ""), (7, "warn", "Put the line"), (0, "warn", "Put the line")]
)
def test_missing_real_time_priorities_are_worth_a_warning(granted: int, status: str, advice: str) -> None:
    finding = checks_time.judged_priorities(priority.outcome(50, granted))
    assert finding.status == status
    assert finding.advice.startswith(advice)
    assert bool(finding.advice) == bool(advice)


def test_trying_a_priority_leaves_this_thread_as_it_was() -> None:
    before = os.sched_getscheduler(0)
    assert checks_time.priorities().name == "priorities"
    assert os.sched_getscheduler(0) == before


def test_the_doctor_looks_at_all_that_real_time_needs() -> None:
    names = {finding.name for finding in checks.all_findings(Path("runs"))}
    assert {"names", "clock", "system clock", "priorities", "ROS domain", "socket buffers", "shared memory"} <= names
