"""`nudge store` lists what is there, shows damage, mends and changes, and shows an episode."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from synthetic_run import write_store

from robot.errors import StoreError
from robot.store import StoreReader, info
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


def test_check_tells_a_whole_store_from_a_damaged_one(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "demos.zarr"
    shutil.copytree(runs / "a" / "demos.zarr", store)
    assert cli.main(["store", "check", str(store)]) == 0
    assert capsys.readouterr().out == f"{store} is whole.\n"
    chunk = next((store / "data" / "stamp_ns").glob("c*"))
    content = bytearray(chunk.read_bytes())
    content[3] ^= 1
    chunk.write_bytes(content)
    assert cli.main(["store", "check", str(store)]) == 1
    assert "data/stamp_ns: chunk 0 cannot be read: its checksum is wrong." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"shape": [12', "data/source/zarr.json is damaged."),
        ('{"node_type": "array"}', "data/source/zarr.json is damaged."),
        (None, "data/source/zarr.json is missing."),
        ("uint16", "data/source/zarr.json says data_type 'uint16', and should say 'uint8'."),
    ],
)
def test_check_names_metadata_that_are_not_ours(
    runs: Path, tmp_path: Path, content: str | None, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "demos.zarr"
    shutil.copytree(runs / "a" / "demos.zarr", store)
    file = store / "data" / "source" / "zarr.json"
    text = file.read_text()
    if content is None:
        file.unlink()
    else:
        file.write_text(text.replace("uint8", content) if content == "uint16" else content)
    assert cli.main(["store", "check", str(store)]) == 1
    assert problem in capsys.readouterr().out
    assert cli.main(["store", "info", str(store)]) == 1


def test_repair_says_what_a_dead_session_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "demos.zarr"
    write_store(store, [True, False], 16, 4, is_dead=True)
    assert cli.main(["store", "check", str(store)]) == 1
    assert "A journal is there" in capsys.readouterr().out
    assert cli.main(["store", "repair", str(store), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["episode"], done["steps"]) == (1, 4)
    assert cli.main(["store", "check", str(store)]) == 0
    assert cli.main(["store", "repair", str(store)]) == 0
    assert "there is nothing to repair" in capsys.readouterr().out


def test_edits_tell_what_became_of_the_store(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, both = str(tmp_path / "demos.zarr"), str(tmp_path / "both.zarr")
    shutil.copytree(runs / "a" / "demos.zarr", store)

    def told(*words: str) -> dict[str, object]:
        assert cli.main(["store", *words, "--json"]) == 0
        result: dict[str, object] = json.loads(capsys.readouterr().out)
        return result

    dropped = told("drop", store, "--episodes", "0,2")
    assert (dropped["episodes"], dropped["steps"], dropped["old"]) == (1, 4, f"{store}.before-1")
    assert told("trim", store, "--episode", "0", "--start", "1", "--stop", "3")["steps"] == 2
    assert told("relabel", store, "--episodes", "0", "--as", "failure")["old"] == f"{store}.before-3"
    assert StoreReader.open(store).episode(0).is_terminated
    merged = told("merge", store, f"{store}.before-1", "--out", both)
    assert (merged["episodes"], merged["steps"], "old" in merged) == (4, 14, False)
    assert told("drop", both, "--episodes", "1", "--out", str(tmp_path / "less.zarr"))["episodes"] == 3
    assert len(StoreReader.open(both)) == 4


@pytest.mark.parametrize("kind", ["html", "png"])
def test_view_shows_an_episode(runs: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"episode.{kind}"
    assert cli.main(["store", "view", str(runs / "a" / "demos.zarr"), "--episode", "2", "--out", str(out)]) == 0
    assert f"Open {out}." in capsys.readouterr().out
    if kind == "png":
        with Image.open(out) as picture:
            assert picture.width > 500
        return
    text = out.read_text()
    assert "episode 2 of demos.zarr" in text
    assert text.count("data:image/webp") == 2
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("view", "STORE", "--episode", "3"), "has no episode 3: it holds 3, numbered from 0"),
        (("view", "STORE", "--out", "episode.gif"), r"\*.html or \*.png; found episode.gif"),
        (("view", "STORE", "--out", "no/such/folder/e.png"), "There is no folder no/such/folder"),
        (("trim", "STORE", "--episode", "0", "--start", "9"), "has 4 steps, from 0"),
        (("drop", "STORE", "--episodes", "1,7"), "has episodes 0 to 2; there is no 7"),
        (("merge", "STORE", "--out", "STORE"), "exists already"),
        (("repair", "nowhere.zarr"), "There is no store at nowhere.zarr"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    runs: Path, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(runs)
    store = str(runs / "a" / "demos.zarr")
    assert cli.main(["store", *(store if word == "STORE" else word for word in words)]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nudge: ")]
    assert len(told) == 1
    assert re.search(sentence, told[0])
    assert contents(runs) == before


def test_push_and_pull_by_url(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, back = (tmp_path / "archive" / "demos.zarr").as_uri(), tmp_path / "back.zarr"
    assert cli.main(["store", "push", str(runs / "a" / "demos.zarr"), url]) == 0
    assert f"nudge store pull {url}" in capsys.readouterr().out
    assert cli.main(["store", "pull", url, str(back)]) == 0
    assert info(back)["steps"] == 12
    assert cli.main(["store", "pull", f"{url}/none", str(tmp_path / "none.zarr")]) == 1
    assert "cannot be reached: " in capsys.readouterr().err
    assert cli.main(["store", "push", str(back), "nowhere"]) == 1
    assert "An archive is named by its URL" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no folder"):
        find_stores(tmp_path / "none")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (3e9, "3.0 GB")]
)
def test_sizes_read_as_a_person_says_them(count: float, text: str) -> None:
    assert in_bytes(count) == text


def test_words_in_a_store_are_never_taken_for_markup(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "demos[old].zarr"
    shutil.copytree(runs / "a" / "demos.zarr", store)
    file = store / "zarr.json"
    text = json.loads(file.read_text())
    text["attributes"]["spec"]["name"] = "x[/b]"
    file.write_text(json.dumps(text))
    assert cli.main(["store", "ls", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{store} " in out
    assert "x[/b]" in out
    cli.main(["store", "info", str(store)])
    assert "x[/b]" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["folder.png", "n" * 300 + ".png"])
def test_a_picture_that_cannot_be_written_there_is_one_sentence(
    runs: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    store = str(runs / "a" / "demos.zarr")
    assert cli.main(["store", "view", store, "--out", str(tmp_path / name)]) != 0
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]
