"""`nudge store push, pull`: a store's copy in an archive."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from zarr.storage import ObjectStore

from robot.errors import StoreError
from robot.store.archive import pull, push
from robot.store.disk import disk_errors
from sessions.progress import Progress
from sessions.result import tell

CONNECT_TIMEOUT_S = 10
RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
"""A network that fails for longer is told to the person."""


def push_verb(arguments: argparse.Namespace) -> int:
    """Copy a store into an archive."""
    count = _moved("push", arguments.url, lambda archive, seen: push(arguments.path, archive, seen))
    sentence = f"Get it back with: nudge store pull {shlex.quote(arguments.url)} {shlex.quote(arguments.path.name)}"
    return tell(arguments, {"what": "archived", "url": arguments.url, "files": count}, sentence)


def pull_verb(arguments: argparse.Namespace) -> int:
    """Get a store back from an archive."""
    count = _moved("pull", arguments.url, lambda archive, seen: pull(archive, arguments.path, seen))
    result = {"what": "fetched", "store": str(arguments.path), "files": count}
    return tell(arguments, result, "It was checked; nothing is wrong with it.")


def _moved(name: str, url: str, work: Callable[[ObjectStore[Any], Callable[[int, int], None]], int]) -> int:
    try:
        library: Any = importlib.import_module("obstore")
    except ImportError:
        raise StoreError("Archives need the package obstore; install it: pip install 'nudge-robot[archive]'") from None
    progress = Progress(name, total=0)
    made: list[Path] = []

    def seen(done: int, total: int) -> None:
        progress.expect(total)
        progress.advance()  # files arrive one by one

    try:
        with progress:
            return work(_archive(library, url, made if name == "push" else None), seen)
    except StoreError:
        for folder in made:  # those that hold nothing
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    except library.exceptions.BaseError as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"The archive {url} cannot be reached: {reason}. See nudge store {name} --help.") from error


def _archive(library: Any, url: str, made: list[Path] | None) -> ObjectStore[Any]:
    """Return the place as zarr has it; a folder on this machine is made, and those that are new are added to `made`."""
    scheme, found, place = url.partition("://")
    if not found:
        raise StoreError(f"An archive is named by its URL, for example s3://bucket/demos.zarr; found {url!r}.")
    if scheme == "file":
        folder = Path(unquote(place))
        if not folder.is_absolute():
            raise StoreError(f"A folder is named by its whole path; found {url!r}, which begins at no root.")
        if made is not None:
            made += [one for one in (folder, *folder.parents) if not one.exists()]
            with disk_errors(folder, "Nothing was archived."):
                folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(library.store.LocalStore(folder))
    # given any options of ours, the library no longer looks for this one in the environment
    is_plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
    options = {"connect_timeout": f"{CONNECT_TIMEOUT_S}s", "allow_http": is_plain}
    return ObjectStore(library.store.from_url(url, client_options=options, retry_config=RETRIES))
