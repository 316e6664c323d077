"""What a verb of the command line is, and a group of verbs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb of the command line.

    Attributes:
        module: imported when the verb runs; has `function(arguments: argparse.Namespace) -> int`.
        summary: one line for the list of verbs.
        about: what it does, for its own help.
        examples: command lines, for its own help.
        options: adds the verb's own options to its parser.
        has_json: whether --json changes what it says.
        has_config: whether it takes --config and `key=value` overrides.
        go_on: how to go on after Ctrl-C; `{run}` is the run directory.
        function: of the module.
    """

    module: str
    summary: str
    about: str
    examples: tuple[str, ...]
    options: Callable[[argparse.ArgumentParser], None]
    has_config: bool = True
    has_json: bool = True
    go_on: str = ""
    function: str = "run"


@dataclass(frozen=True)
class Group:
    """Verbs under a common word, for example `nudge store`."""

    summary: str
    verbs: Mapping[str, Verb | Group]

    def flat(self, name: str = "") -> dict[str, Verb]:
        """Return every verb below by its full name, for example "store drop"; this group's own name comes first."""
        found: dict[str, Verb] = {}
        for word, verb in self.verbs.items():
            full = f"{name} {word}".strip()
            found |= verb.flat(full) if isinstance(verb, Group) else {full: verb}
        return found
