"""`nudge store import, export`: stores made of, and written as, what other tools read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from robot.errors import ConfigError
from sessions.formats import ExportOptions, ImportOptions, Report, export_store, import_store
from sessions.formats.guard import bounded_memory
from sessions.progress import Progress


def import_verb(arguments: argparse.Namespace) -> int:
    """Make a store of a foreign file or folder."""
    options = ImportOptions(
        arguments.commanded_by, arguments.period, arguments.name, dict(_topic(word) for word in arguments.topic)
    )
    with Progress("import", total=0) as progress, bounded_memory():
        report = import_store(arguments.source, arguments.out, arguments.format, options, _seen(progress))
    return _tell(arguments, report)


def export_verb(arguments: argparse.Namespace) -> int:
    """Write a store in a foreign format."""
    options = ExportOptions(arguments.images, arguments.task)
    with Progress("export", total=0) as progress:
        report = export_store(arguments.path, arguments.out, arguments.format, options, _seen(progress))
    return _tell(arguments, report)


def _topic(word: str) -> tuple[str, str]:
    topic, equals, key = word.partition("=")
    if not equals or not topic.startswith("/") or not key:
        raise ConfigError(f"A topic is mapped as /topic=key, for example /joint_states=joints; found {word!r}.")
    return topic, key


def _seen(progress: Progress) -> Callable[[int, int], None]:
    def seen(done: int, total: int) -> None:
        progress.expect(total)
        progress.advance()

    return seen


def _tell(arguments: argparse.Namespace, report: Report) -> int:
    sys.stdout.write((report.as_json() if arguments.json else report.as_text()) + "\n")
    return 0
