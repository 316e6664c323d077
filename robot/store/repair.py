"""What a dead session left: its journal becomes an episode, and a torn commit is trimmed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robot.errors import StoreError
from robot.store.disk import disk_errors
from robot.store.journal import EpisodeHeader, JournalContent, read_journal
from robot.store.lock import locked
from robot.store.tables import JOURNAL, Tables


@dataclass(frozen=True)
class Repair:
    """What `repair` did.

    Attributes:
        episode: index of the episode made from the journal; None where there was none to make.
        steps: its steps.
        is_aborted: whether the session died within the episode, so that it counts as aborted.
        message: all of it in one sentence for a person.
    """

    episode: int | None
    steps: int
    is_aborted: bool
    message: str


def repair(path: str | Path) -> Repair:
    """Turn the journal of a dead session into an episode, aborted unless its end was journalled too.

    Raises:
        StoreError: no store, a writer is at work, the disk is full (the journal then stays as it is), or the store
            is damaged in a way that no dead session leaves.
    """
    tables, lock = locked(lambda: Tables.open(Path(path)))
    try:
        done = recover(tables)
    finally:
        lock.release()
    return done or Repair(None, 0, False, f"No session died in {path}; there is nothing to repair.")


def is_torn_commit(tables: Tables) -> bool:
    """Whether rows beyond the committed ones are a commit that death tore: its journal is there, to do it again."""
    path = tables.root / JOURNAL
    try:
        content = read_journal(path, tables.schema.row(), tables.path / JOURNAL)
    except (FileNotFoundError, StoreError):
        return False
    return _is_of_the_next(content.header, tables)


def _is_of_the_next(header: EpisodeHeader | None, tables: Tables) -> bool:
    return header is not None and header.index == len(tables.ends())


def recover(tables: Tables) -> Repair | None:
    """Do the work of `repair` under a lock already held; None where nothing was to be done."""
    path = tables.root / JOURNAL
    with disk_errors(tables.path, f"The journal {tables.path / JOURNAL} is kept; open the store again after that."):
        content = read_journal(path, tables.schema.row(), tables.path / JOURNAL) if path.exists() else None
        header = content.header if content is not None else None
        if difference := tables.uncommitted():
            # a commit that was torn has its journal still; without it, it is the commit point that is gone
            if not _is_of_the_next(header, tables):
                raise StoreError(
                    f"{tables.path} is damaged: {difference}. Nothing was changed, for that might lose episodes; "
                    "restore meta/episode_ends from a copy, or take what it says: nudge store merge STORE --out NEW."
                )
            tables.trim()
        if content is None:
            return None
        if header is not None and header.digest != tables.schema.spec.digest():
            kept = _keep(path, header)
            return Repair(
                None, 0, False, f"{tables.path}: the journal of another robot was moved to {tables.path / kept}."
            )
        if header is None or header.index < len(tables.ends()) or not (len(content.steps) or content.is_damaged):
            path.unlink()  # no step was acknowledged, or the session died between its commit and this
            return None
        return _commit(tables, path, header, content)


def _commit(tables: Tables, path: Path, header: EpisodeHeader, content: JournalContent) -> Repair:
    steps = content.steps.copy()
    if not len(steps):
        kept = _keep(path, header)
        return Repair(
            None, 0, False, f"{tables.path}: the journal's first record is damaged; moved to {tables.path / kept}."
        )
    is_cut = not (steps["is_terminated"][-1] or steps["is_truncated"][-1])
    if is_cut:
        steps["is_truncated"][-1] = steps["is_aborted"][-1] = True
    index = tables.commit(header, steps, content.final, is_synced=True)
    name = f"the aborted episode {index}" if is_cut else f"episode {index}"
    message = f"{tables.path}: {len(steps)} steps of a session that died are now {name}."
    if content.is_damaged:
        message += f" A record failed its checksum; the journal is kept as {tables.path / _keep(path, header)}."
    else:
        path.unlink()
    return Repair(index, len(steps), is_cut, message)


def _keep(path: Path, header: EpisodeHeader) -> Path:
    """Move a journal away; returns where to, from the store's folder."""
    number = sum(1 for _ in path.parent.glob("damaged-*"))
    kept = path.with_name(f"damaged-{number}-episode-{header.index}")
    path.rename(kept)
    return Path(kept.parent.name, kept.name)
