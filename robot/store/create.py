"""Makes the empty arrays of a store, with zarr."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import Crc32cCodec, TransposeCodec, ZstdCodec
from zarr.codecs.numcodecs import Delta
from zarr.errors import ZarrUserWarning

from robot.store import deltas
from robot.store.chunks import ZSTD_LEVEL
from robot.store.schema import SCHEMA_VERSION, Schema

FORMAT = "nudge"


def create_arrays(path: Path, schema: Schema, attributes: Mapping[str, str]) -> None:
    root = zarr.create_group(
        path,
        attributes={
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": json.loads(schema.spec.to_json()),
            "spec_digest": schema.spec.digest(),
            "streams": list(schema.streams),
            "attributes": dict(attributes),
        },
    )
    fields = [*schema.data.values(), *schema.final.values(), *schema.episodes.values(), schema.ends]
    for field in fields:
        shape = field.array.shape
        _create_array(
            root,
            field.path,
            has_deltas=field.is_image,
            shape=(0, *shape),
            chunks=(field.rows, *shape),
            shards=(field.rows * field.shard, *shape) if field.shard else None,
            dtype=field.array.dtype,
            compressors=[*([ZstdCodec(level=ZSTD_LEVEL)] if field.is_compressed else []), Crc32cCodec()],
            fill_value=field.fill,
            # "c.0.0" instead of "c/0/0": no folder to make for every chunk
            chunk_key_encoding={"name": "default", "separator": "."},
            attributes={"unit": field.array.unit, "frame": field.array.frame},
        )
    # An (empty) array, because zarr looks for members in groups only and would warn of the journal's files.
    root.create_array("journal", shape=(0,), dtype="uint8")


def _create_array(root: zarr.Group, path: str, has_deltas: bool, **how: Any) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numcodecs codecs are not", ZarrUserWarning)
        filters = [TransposeCodec(order=deltas.ORDER), Delta(dtype="u1")] if has_deltas else None
        root.create_array(path, filters=filters, **how)
