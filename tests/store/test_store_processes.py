"""Killed writers, readers beside a writer, full disks and second writers: real processes, files and signals."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from store_child import STEPS
from store_samples import QUICK, assert_same, cut, plain_episode, robot

from robot.errors import StoreError
from robot.store import StoreReader, StoreWriter, check, repair
from robot.store.tables import JOURNAL

CHILD = Path(__file__).with_name("store_child.py")
ROOT = Path(__file__).parents[2]
SPEC = robot()


@contextmanager
def child(path: Path, mode: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(CHILD), str(path), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the operating system refuse to write any file beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("seed", range(5))
def test_kill_9_loses_no_acknowledged_step(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "a.zarr"
    with child(path, "endless") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(rng.integers(1, 40))]
        time.sleep(float(rng.uniform(0.0, 0.03)))  # so that commits, too, are hit in the middle
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    acknowledged = sum(b"done" not in line for line in lines)
    committed = sum(b"done" in line for line in lines)
    repair(path)
    reader = StoreReader.open(path)
    assert committed <= len(reader) <= committed + 1
    assert acknowledged <= reader.steps <= acknowledged + 1
    for number in range(len(reader)):
        episode = reader.episode(number)
        plain = plain_episode(SPEC, number, STEPS, "truncated")
        if episode.has_final:
            assert_same(SPEC, episode, plain)
        elif episode.length < STEPS:
            assert_same(SPEC, episode, cut(plain, episode.length))
        else:
            assert episode.stamp_ns.tolist() == [step.stamp_ns for step in plain.steps]
    assert check(path) == []


def test_a_reader_beside_a_writer_never_sees_half_an_episode(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    StoreWriter.open(path, SPEC, {}).close()
    reader = StoreReader.open(path)
    seen = 0
    with child(path, "endless") as process:
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 20.0
        while seen < 25 and time.monotonic() < deadline:
            count = reader.refresh()
            assert count >= seen
            for number in range(seen, count):
                assert_same(SPEC, reader.episode(number), plain_episode(SPEC, number, STEPS, "truncated"))
            seen = count
    assert seen >= 25
    for number in (0, 12, 24):
        assert_same(SPEC, reader.episode(number), plain_episode(SPEC, number, STEPS, "truncated"))


def test_a_second_writer_is_refused_and_told_who_holds_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    with child(path, "hold") as process:
        assert process.stdout is not None
        process.stdout.readline()
        for attempt in (lambda: StoreWriter.open(path, SPEC, {}), lambda: repair(path)):
            with pytest.raises(StoreError, match=f"process {process.pid} is writing"):
                attempt()
        process.kill()
        process.wait()
        StoreWriter.open(path, SPEC, {}).close()


def test_two_writers_of_one_process_exclude_each_other_until_the_first_closes(tmp_path: Path) -> None:
    first = StoreWriter.open(tmp_path / "a.zarr", SPEC, {})
    with pytest.raises(StoreError, match=f"process {os.getpid()} is writing"):
        StoreWriter.open(tmp_path / "a.zarr", SPEC, {})
    first.close()
    first.close()
    StoreWriter.open(tmp_path / "a.zarr", SPEC, {}).close()
    with pytest.raises(StoreError, match="is closed"):
        first.begin(0, {})


def test_a_full_disk_in_mid_episode_keeps_the_steps_and_the_episode_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    plain = plain_episode(SPEC, 0, 8, "success")
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        writer.begin(plain.seed, plain.attributes)
        for step in plain.steps[:5]:
            writer.append(step)
        size = (path / JOURNAL).stat().st_size
        with file_size_limit(size + 100), pytest.raises(StoreError, match="5 steps before this one are safe"):
            writer.append(plain.steps[5])
        for step in plain.steps[5:]:
            writer.append(step)
        assert plain.final is not None
        writer.commit(plain.final)
    assert_same(SPEC, StoreReader.open(path).episode(0), plain)


@pytest.mark.parametrize("is_tried_again", [True, False])
def test_a_commit_on_a_full_disk_changes_nothing_and_can_be_done_later(tmp_path: Path, is_tried_again: bool) -> None:
    path = tmp_path / "a.zarr"
    model = [plain_episode(SPEC, number, 6, "success") for number in range(2)]
    with StoreWriter.open(path, SPEC, {}, QUICK) as writer:
        for plain in model:
            writer.begin(plain.seed, plain.attributes)
            for step in plain.steps:
                writer.append(step)
            assert plain.final is not None
            if plain is model[0]:
                writer.commit(plain.final)
        size = (path / JOURNAL).stat().st_size
        before = {f: f.read_bytes() for f in path.rglob("*") if f.is_file() and f.name != "episode"}
        for limit in (size, size + 1000):  # the journal's final record does not fit; a chunk does not
            with file_size_limit(limit), pytest.raises(StoreError, match="6 steps are safe in the journal"):
                writer.commit(model[1].final)
            after = {f: f.read_bytes() for f in path.rglob("*") if f.is_file() and f.name != "episode"}
            assert after == before
        if is_tried_again:
            writer.commit(model[1].final)
    repair(path)
    reader = StoreReader.open(path)
    assert len(reader) == 2
    for index, plain in enumerate(model):
        assert_same(SPEC, reader.episode(index), plain)
    assert check(path) == []


def test_a_full_file_system_leaves_a_readable_store_and_a_whole_journal(tmp_path: Path) -> None:
    disk, rescue = tmp_path / "disk", tmp_path / "rescue.zarr"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=3m tmpfs "$1"'
    script = f'{mount} && "$2" "$3" "$1/a.zarr" 20; status=$?; cp -r "$1/a.zarr" "$4"; exit $status'
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives no private mounts to make a small disk with")
    command = [*unshare, "sh", "-c", script, "sh", str(disk), sys.executable, str(CHILD), str(rescue)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    *lines, full, error, readable = done.stdout.splitlines()
    assert full == "full"
    assert "No room is left on the disk" in error
    assert "safe in the journal" in error or "No episode was begun" in error
    acknowledged = sum("done" not in line for line in lines)
    committed = sum("done" in line for line in lines)
    assert readable == f"readable {committed} {committed * 20}"
    repair(rescue)
    reader = StoreReader.open(rescue)
    assert reader.steps == acknowledged
    spec = robot(64)
    for number in range(committed):
        assert_same(spec, reader.episode(number), plain_episode(spec, number, 20, "truncated"))


def test_what_a_process_of_the_same_number_left_half_made_is_in_nobodys_way(tmp_path: Path) -> None:
    StoreWriter.open(tmp_path / "a.zarr", SPEC, {}).close()
    shutil.copytree(tmp_path / "a.zarr", tmp_path / f"b.zarr.creating-{os.getpid()}")
    StoreWriter.open(tmp_path / "b.zarr", SPEC, {}).close()
    assert check(tmp_path / "b.zarr") == []
