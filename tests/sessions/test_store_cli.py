"""`nudge store` lists what is there, shows damage, and changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from synthetic_run import write_store

from robot.errors import StoreError
from sessions import cli
from sessions.store_cli import find_stores, in_bytes


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "a" / "logs").mkdir(parents=True)
    write_store(folder / "a" / "demos.zarr", [True, False, True], 16, 4)
    write_store(folder / "b" / "online.zarr", [True], 16, 2)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_ls_finds_every_store_and_changes_none(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(runs)
    assert cli.main(["store", "ls", str(runs), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    found = [(Path(row["path"]).name, row["episodes"], row["steps"], row["successes"]) for row in rows]
    assert found == [("demos.zarr", 3, 12, 2), ("online.zarr", 1, 2, 1)]
    assert contents(runs) == before


def test_info_shows_one_store_for_a_person(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["store", "info", str(runs / "a" / "demos.zarr")]) == 0
    words = capsys.readouterr().out.split()
    assert words[words.index("spec") + 1] == "synthetic/peg"
    assert words[words.index("problems") + 1] == "none"


def test_info_of_a_damaged_store_says_what_is_wrong_and_fails(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "a" / "demos.zarr", tmp_path / "bad.zarr")
    for chunk in (tmp_path / "bad.zarr" / "data" / "action").glob("c*"):
        chunk.unlink()
    assert cli.main(["store", "info", str(tmp_path / "bad.zarr"), "--json"]) == 1
    assert any("data/action" in problem for problem in json.loads(capsys.readouterr().out)["problems"])


def test_ls_goes_on_after_a_store_that_it_cannot_read(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "c" / "foreign.zarr").mkdir(parents=True)
    try:
        assert cli.main(["store", "ls", str(runs), "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert [("error" in row) for row in rows] == [False, False, True]
    finally:
        shutil.rmtree(runs / "c")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no folder"):
        find_stores(tmp_path / "none")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e9, "3.0 GB")]
)
def test_sizes_read_as_a_person_says_them(count: float, text: str) -> None:
    assert in_bytes(count) == text
