"""A store that is exported and imported again is the same store, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from format_samples import assert_same_store, episodes_of, make, nothing_left, robot

from robot.errors import ConfigError, StoreError
from robot.store import StoreWriter
from robot.store.check import check
from robot.store.remarks import Remark
from sessions.formats import FORMATS, ExportOptions, ImportOptions, export_store, import_store, recognise

TARGETS = {
    "lerobot": "data",
    "robomimic": "data.hdf5",
    "dp-zarr": "data.zarr",
    "dp-zarr zip": "data.zarr.zip",
    "mcap": "data.mcap",
}


def say(store: Path) -> None:
    """Make a mark and a note."""
    with StoreWriter.open(store, robot(), {}) as writer:
        writer.remark(Remark(0, "mark", step=1, stamp_ns=7))
        writer.remark(Remark(1, "note", 'slipped \u00e4 " {}'))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("has_stamps", [True, False])
def test_an_export_that_is_imported_is_the_same_store(target: str, has_stamps: bool, tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(), has_stamps)
    say(store)
    out, format_name = tmp_path / TARGETS[target], target.split()[0]
    told: list[tuple[int, int]] = []
    exported = export_store(store, out, format_name, progress=lambda *numbers: told.append(numbers))
    assert recognise(out) == format_name
    imported = import_store(out, tmp_path / "b.zarr", progress=lambda *numbers: told.append(numbers))
    assert_same_store(store, tmp_path / "b.zarr")
    assert [episode.remarks for episode in episodes_of(store)] == [e.remarks for e in episodes_of(tmp_path / "b.zarr")]
    assert check(tmp_path / "b.zarr") == check(store)
    assert told == [(n + 1, 4) for n in range(4)] * 2
    for report in (exported, imported):
        assert (report.episodes, report.steps, report.invented) == (4, 14, ())
        assert json.loads(report.as_json())["invented"] == []
        assert "invented  nothing" in report.as_text()
    assert nothing_left(tmp_path, "a.zarr", out.name, "b.zarr")


def test_every_array_of_a_store_is_in_the_report_of_an_export(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot())
    for number, target in enumerate(TARGETS):
        out = tmp_path / str(number) / TARGETS[target]
        report = export_store(store, out, target.split()[0])
        named = {entry.source for entry in report.mapped}
        assert named >= {*robot().observation, "action", "reward", "requested", "source", "stamp_ns"}


def test_a_video_keeps_all_but_the_pixels(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot())
    report = export_store(store, tmp_path / "data", "lerobot", ExportOptions(images="video", task="insert the peg"))
    assert any("dB" in line for line in report.left_out)
    import_store(tmp_path / "data", tmp_path / "b.zarr")
    assert_same_store(store, tmp_path / "b.zarr", but=("images/front", "images/wrist"))


@pytest.mark.parametrize("format_name", [name for name, one in FORMATS.items() if one.write])
def test_an_export_replaces_nothing(format_name: str, tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="exists already"):
        export_store(store, tmp_path / "out", format_name)
    assert nothing_left(tmp_path, "a.zarr", "out")


@pytest.mark.parametrize("format_name", [name for name, one in FORMATS.items() if one.write])
def test_an_export_that_fails_leaves_nothing(format_name: str, tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))

    def fail(done: int, count: int) -> None:
        if done == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        export_store(store, tmp_path / "out", format_name, progress=fail)
    assert nothing_left(tmp_path, "a.zarr")


def test_a_pickle_is_never_written(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    with pytest.raises(StoreError, match="only be imported"):
        export_store(store, tmp_path / "a.pkl", "serl")


def test_an_import_replaces_nothing(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    export_store(store, tmp_path / "a.mcap", "mcap")
    with pytest.raises(StoreError, match="exists already"):
        import_store(tmp_path / "a.mcap", store)


def test_unknown_names_are_refused_with_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Did you mean"):
        import_store(tmp_path, tmp_path / "b", "lerobott")
    with pytest.raises(StoreError, match="There is nothing"):
        import_store(tmp_path / "a.hdf5", tmp_path / "b", "robomimic")
    with pytest.raises(StoreError, match="looks like none of the formats"):
        import_store(tmp_path, tmp_path / "b")
    with pytest.raises(ConfigError, match="No source"):
        ImportOptions(source="humane")
    with pytest.raises(ConfigError, match="control period"):
        ImportOptions(period_s=0.0)
    with pytest.raises(ConfigError, match="exact or video"):
        ExportOptions(images="jpeg")


def test_a_lerobot_export_that_lost_nudges_own_file_keeps_its_columns(tmp_path: Path) -> None:
    store = make(tmp_path / "a.zarr", robot(is_plain=True))
    export_store(store, tmp_path / "data", "lerobot")
    (tmp_path / "data/meta/nudge_episodes.parquet").unlink()
    report = import_store(tmp_path / "data", tmp_path / "b.zarr")
    for before, after in zip(episodes_of(store), episodes_of(tmp_path / "b.zarr"), strict=True):
        for name in ("action", "requested", "base_action", "source", "label", "reasons", "stamp_ns", "timing_ns"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name), strict=True)
        np.testing.assert_array_equal(after.images("images/wrist"), before.images("images/wrist"))
        assert not after.has_final
    assert any("stream_stamps_ns" in line for line in report.left_out)
