"""Tensors in a file: what is read is what was written, or nothing is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from policies.tensorfile import read_tensors, write_tensors
from robot.errors import StoreError

TENSORS = {
    "flat": torch.arange(12.0),
    "matrix": torch.arange(6.0).reshape(2, 3).T,  # not contiguous
    "count": torch.tensor(7.0),
    "none": torch.zeros(0),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "state": torch.arange(5, dtype=torch.uint8),
}
HEADER = {"spec": "a robot", "counters": '{"updates": 3}'}


def test_what_is_read_is_what_was_written(tmp_path) -> None:
    file = tmp_path / "new" / "weights.safetensors"
    write_tensors(file, TENSORS, HEADER)
    tensors, header = read_tensors(file)
    assert header == HEADER
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("whole") / "weights.safetensors"
    write_tensors(file, TENSORS, HEADER)
    return file.read_bytes()


@given(place=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7))
def test_one_bit_that_flipped_is_refused_wherever_it_is(whole: bytes, place: float, bit: int) -> None:
    content = bytearray(whole)
    content[int(place * len(content))] ^= 1 << bit
    with TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        file.write_bytes(content)
        with pytest.raises(StoreError, match=r"not a readable safetensors file|is not what was written"):
            read_tensors(file)


def test_a_file_of_others_is_refused(tmp_path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "theirs.safetensors")
    with pytest.raises(StoreError, match="is not what was written"):
        read_tensors(tmp_path / "theirs.safetensors")
