"""One import that must be refused, with one error and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot.errors import StoreError
from sessions.formats import ImportOptions, import_store

TOPICS = {"/joint_states": "joints", "/camera/image": "top", "/command": "action"}
OPTIONS = ImportOptions(period_s=0.1, topics=TOPICS)


def refused(source: Path, match: str, format_name: str | None = None) -> None:
    """Import `source`; there must be one StoreError, and nothing new beside the source."""
    before = sorted(path.name for path in source.parent.iterdir())
    with pytest.raises(StoreError, match=match) as caught:
        import_store(source, source.parent / "out", format_name, OPTIONS)
    assert sorted(path.name for path in source.parent.iterdir()) == before
    assert "\n" not in str(caught.value)
