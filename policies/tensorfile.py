"""Named tensors in one file: safetensors with a text header, written by one atomic rename."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from robot.errors import StoreError

_CHECKSUM = "crc32"


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    """Write `tensors` and `header` to `path`; a reader sees the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    content = save(whole, metadata=header | {_CHECKSUM: _checksum(whole, header)})
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        error.filename = error.filename or str(path)  # a write that fails does not say where
        raise


def remove_torn(folder: Path) -> None:
    """Delete what writers left half-written in `folder` when they were killed; for the only one that writes there."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def read_tensors(path: Path, *, needs_checksum: bool = True) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the header of `path`; `needs_checksum` False for a file that another program wrote.

    Raises:
        StoreError: the file is missing, or not as it was written, or holds a number that is not finite.
    """
    if not path.exists():
        raise StoreError(f"Expected a weights file at {path}; there is none.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path} is not a readable safetensors file ({error}); delete it and make it anew.") from error
    told = header.pop(_CHECKSUM, None)
    if (needs_checksum or told is not None) and told != _checksum(tensors, header):
        raise StoreError(f"{path} is damaged: it is not what was written; put a copy in its place, or make it anew.")
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if bad:
        raise StoreError(
            f"{path} holds numbers that are not finite, in {', '.join(bad)}; put a sound one in its place."
        )
    return tensors, header


def _checksum(tensors: dict[str, Tensor], header: dict[str, str]) -> str:
    """Return the CRC-32 of all names and contents; it tells a damaged file, not one that was changed on purpose."""
    crc = zlib.crc32(repr(sorted(header.items())).encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"
