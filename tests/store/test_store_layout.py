"""What others rely on: the zarr layout, the refusals, and what check and info say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from store_samples import QUICK, PlainEpisode, plain_episode, robot

from robot.errors import StoreError
from robot.specs import ArraySpec
from robot.store import StoreReader, StoreWriter, check, info, repair
from robot.store.schema import SCHEMA_VERSION
from robot.types import Source, StepTiming

SPEC = robot()


def store(path: Path, lengths: tuple[int, ...] = (5, 3, 20)) -> list[PlainEpisode]:
    model = [plain_episode(SPEC, number, length, "success") for number, length in enumerate(lengths)]
    with StoreWriter.open(path, SPEC, {"code": "1"}, QUICK) as writer:
        for plain in model:
            writer.begin(plain.seed, plain.attributes)
            for step in plain.steps:
                writer.append(step)
            assert plain.final is not None
            writer.commit(plain.final)
    return model


def test_plain_zarr_reads_executed_actions_by_episode_ends(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    root = zarr.open_group(tmp_path / "a.zarr", mode="r")
    ends = root["meta/episode_ends"][:]
    assert ends.tolist() == [5, 8, 28]
    for name, array in root["data"].members(max_depth=None):
        if isinstance(array, zarr.Array):
            assert array.shape[0] == ends[-1], name
    for start, end, plain in zip([0, *ends], ends, model, strict=False):
        executed = np.stack([step.executed for step in plain.steps])
        np.testing.assert_array_equal(root["data/action"][start:end], executed)
        images = np.stack([step.observation["images/front"] for step in plain.steps])
        np.testing.assert_array_equal(root["data/images/front"][start:end], images)
    stamps = root["data/stream_stamps_ns"][:5]
    for column, key in enumerate(root.attrs["streams"]):
        assert stamps[:, column].tolist() == [step.stream_stamps_ns.get(key, -1) for step in model[0].steps]
    assert root["data/tool_pose"].attrs.asdict() == {"unit": "m", "frame": "base"}
    assert root["meta/episodes/is_success"][:].tolist() == [True] * 3
    assert root["meta/final/wrench"][1].tolist() == model[1].final.observation["wrench"].tolist()  # type: ignore[union-attr]
    assert {"data", "meta"} <= set(root.keys())


def test_the_timing_of_all_steps_is_read_at_once(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr")
    reader = StoreReader.open(tmp_path / "a.zarr")
    expected = [step.timing.as_row() for plain in model for step in plain.steps]
    assert reader.timing_ns().tolist() == [list(row) for row in expected]
    attributes = [field.name for field in dataclasses.fields(StepTiming)]
    assert [getattr(model[0].steps[0].timing, name) for name in attributes] == list(expected[0])
    store(tmp_path / "empty.zarr", ())
    assert StoreReader.open(tmp_path / "empty.zarr").timing_ns().shape == (0, 6)


def test_the_spec_and_what_was_given_at_creation_come_back(tmp_path: Path) -> None:
    store(tmp_path / "a.zarr", ())
    reader = StoreReader.open(tmp_path / "a.zarr")
    assert reader.spec == SPEC
    assert reader.spec.state_keys == SPEC.state_keys == ("tool_pose", "wrench")
    assert reader.attributes == {"code": "1"}
    assert (len(reader), reader.refresh(), reader.steps) == (0, 0, 0)
    with pytest.raises(IndexError, match="Episode 0 of 0"):
        reader.episode(0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "other_arm/lift"}, "'test_arm/peg'.*'other_arm/lift'.*name: test_arm/peg in the store"),
        ({"period_s": 0.05}, r"control period \[s\]: 0.1 in the store, 0.05 here"),
        ({"action_axes": ("x", "y", "z")}, "action axes"),
        ({"observation": {**SPEC.observation, "wrench": ArraySpec((3,), "float32")}}, "observation 'wrench'"),
        ({"observation": {"wrench": SPEC.observation["wrench"]}}, "observation keys"),
    ],
)
def test_a_store_of_another_robot_is_refused(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    store(tmp_path / "a.zarr", (2,))
    other = dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=sentence):
        StoreWriter.open(tmp_path / "a.zarr", other, {})
    with pytest.raises(StoreError, match=sentence):
        StoreReader.open(tmp_path / "a.zarr", other)
    assert len(StoreReader.open(tmp_path / "a.zarr", SPEC)) == 1
    assert check(tmp_path / "a.zarr") == []


def test_missing_alien_newer_and_older_stores_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"There is no store at .*a\.zarr"):
        StoreReader.open(tmp_path / "a.zarr")
    zarr.create_group(tmp_path / "plain.zarr")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("plain.zarr", "folder", "file"):
        with pytest.raises(StoreError, match=f"{name} is not a nudge store"):
            StoreReader.open(tmp_path / name)
        with pytest.raises(StoreError, match=f"{name} is not a nudge store"):
            StoreWriter.open(tmp_path / name, SPEC, {})
    store(tmp_path / "new.zarr", ())
    metadata = tmp_path / "new.zarr/zarr.json"
    content = json.loads(metadata.read_text())
    for version, advice in ((99, "update nudge"), (1, "record anew")):
        content["attributes"]["schema_version"] = version
        metadata.write_text(json.dumps(content))
        with pytest.raises(
            StoreError, match=f"schema version {version}, and this nudge reads {SCHEMA_VERSION}; {advice}"
        ):
            StoreReader.open(tmp_path / "new.zarr")


def test_a_key_that_hides_an_array_of_the_store_is_refused(tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, observation={"action": ArraySpec((3,), "float32")})
    with pytest.raises(StoreError, match="'action' of test_arm/peg cannot be"):
        StoreWriter.open(tmp_path / "a.zarr", spec, {})
    assert not (tmp_path / "a.zarr").exists()


def test_info_counts_steps_successes_and_onsets_of_interventions(tmp_path: Path) -> None:
    model = store(tmp_path / "a.zarr", ())
    model = [plain_episode(SPEC, number, 5, end) for number, end in enumerate(("success", "aborted"))]
    sources = ["HPHHP", "PPPPH"]
    with StoreWriter.open(tmp_path / "a.zarr", SPEC, {}, QUICK) as writer:
        for plain, letters in zip(model, sources, strict=True):
            writer.begin(plain.seed, plain.attributes)
            for step, letter in zip(plain.steps, letters, strict=True):
                source = Source.HUMAN if letter == "H" else Source.POLICY
                writer.append(dataclasses.replace(step, source=source))
            assert plain.final is not None
            writer.commit(plain.final)
    found = info(tmp_path / "a.zarr")
    size = sum(f.stat().st_size for f in (tmp_path / "a.zarr").rglob("*") if f.is_file())
    assert (
        found.items()
        >= {
            "spec": "test_arm/peg",
            "schema_version": SCHEMA_VERSION,
            "episodes": 2,
            "steps": 10,
            "successes": 1,
            "aborted": 1,
            "interventions": 3,
            "bytes": size,
            "bytes_per_step": size / 10,
        }.items()
    )


def test_check_names_every_kind_of_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    store(path)
    assert check(path) == []
    root = zarr.open_group(path)
    root["data/action"][6, 1] = np.nan
    root["data/stamp_ns"][9] = root["data/stamp_ns"][10]
    root["meta/episodes/is_truncated"][2] = True
    column = root.attrs["streams"].index("wrench")
    root["data/stream_stamps_ns"][0, column] = root["data/stamp_ns"][0] + 1
    root["data/timing_ns"][7, 5] = -1
    assert check(path) == [
        "Episode 0: wrench of step 0 was captured after the step's own stamp.",
        "Episode 1: the executed action of step 1 is not finite.",
        "Episode 1: the timing of step 2 is negative.",
        "Episode 2: the stamp after step 1 is not later than that step's.",
        "Episode 2: it must have ended in exactly one way, terminated or truncated.",
    ]

    (path / "data/images/front/c.0.0.0.0").write_bytes(b"no image")
    (path / "data/wrench/c.0.0").unlink()
    root["data/label"].resize((29,))
    found = check(path)
    assert any(line.startswith("data/images/front: chunk 1 cannot be read") for line in found)
    assert "data/wrench: chunk 0 is missing." in found
    assert "data/label has 29 rows; meta/episode_ends says 28." in found


def test_a_missing_image_key_is_named_with_those_that_exist(tmp_path: Path) -> None:
    store(tmp_path / "a.zarr", (2,))
    with pytest.raises(StoreError, match="'images/wrist' is no image of test_arm/peg; its images: images/front"):
        StoreReader.open(tmp_path / "a.zarr").episode(0).images("images/wrist")


def test_what_was_committed_and_is_gone_is_an_error_and_never_a_row_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    store(path)
    (path / "data/wrench/c.0.0").unlink()
    with pytest.raises(StoreError, match=r"Chunk 0 of data/wrench is missing; .*nudge store check"):
        StoreReader.open(path).episode(0)
    (path / "data/images/front/c.0.0.0.0").write_bytes(b"no image")
    with pytest.raises(StoreError, match=r"Chunk 0 of data/images/front is damaged"):
        StoreReader.open(path).image_chunks("images/front")[0].chunk(0)


def _root(path: Path, **changes: object) -> None:
    text = json.loads((path / "zarr.json").read_text())
    for name, value in changes.items():
        if value is None:
            del text["attributes"][name]
        else:
            text["attributes"][name] = value
    (path / "zarr.json").write_text(json.dumps(text))


DESCRIPTIONS: dict[str, dict[str, object]] = {
    "a version in words": {"schema_version": "4"},
    "no version": {"schema_version": None},
    "no date": {"created": None},
    "no attributes": {"attributes": None},
    "attributes of another kind": {"attributes": 7},
    "no spec": {"spec": None},
    "a spec of another kind": {"spec": [1]},
    "a spec without a period": {"spec": {"name": "a", "observation": {}, "action_axes": ["x"], "action_scale": [1.0]}},
    "an unknown type": {
        "spec": {
            "name": "a",
            "observation": {"x": {"shape": [1], "dtype": "float7", "unit": "", "frame": ""}},
            "action_axes": ["x"],
            "action_scale": [1.0],
            "period_s": 0.1,
        }
    },
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_damaged_description_is_one_sentence_for_every_verb(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zarr"
    store(path)
    _root(path, **DESCRIPTIONS[name])
    for act in (info, check, StoreReader.open, repair):
        with pytest.raises(StoreError, match=r"is damaged \(.*restore that file from a copy"):
            act(path)


@pytest.mark.parametrize(
    ("ends", "sentence"), [([5, 3, 28], "does not grow"), ([5, 8, 10**12], "data/stamp_ns has 28")]
)
def test_a_commit_point_that_cannot_be_is_said_at_once(tmp_path: Path, ends: list[int], sentence: str) -> None:
    path = tmp_path / "a.zarr"
    store(path)
    zarr.open_array(path / "meta/episode_ends", mode="r+")[:] = ends
    with pytest.raises(StoreError, match=sentence):
        StoreReader.open(path).refresh()
    with pytest.raises(StoreError, match=sentence):
        info(path)
    assert any(sentence in problem for problem in check(path))


@pytest.mark.parametrize("name", ["data/images/front", "data/action", "meta/episode_ends", "data"])
def test_every_bit_of_the_metadata_that_zarr_needs_is_looked_at(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zarr"
    store(path, (5,))
    file = path / name / "zarr.json"
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), 60, replace=False):
        content = bytearray(whole)
        content[place] ^= 1 << int(rng.integers(7))
        file.write_bytes(content)
        is_found = bool(check(path))
        try:
            opened = zarr.open_group(path, mode="r") if name == "data" else zarr.open_array(path / name, mode="r")
            is_same = json.loads(content.decode()) == json.loads(whole) and opened is not None
        except Exception:  # noqa: BLE001 - whatever zarr raises over damaged metadata
            is_same = False
        assert is_same or is_found, f"bit of byte {place}: {content[max(0, place - 30) : place + 30]!r}"
