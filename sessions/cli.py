"""The command line `nudge`: finds the verb, reads its options, runs it, and turns errors into one sentence."""

from __future__ import annotations

import argparse
import errno
import importlib
import importlib.metadata
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from robot.errors import NudgeError, did_you_mean
from sessions.verb import Group, Verb
from sessions.verbs import VERBS

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `nudge` command; returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        sys.stdout.write(f"nudge {importlib.metadata.version('nudge-robot')}\n")
        return 0
    name = ""
    found: Verb | Group = Group("", VERBS)
    while isinstance(found, Group):
        if not words or words[0] in ("-h", "--help", "help"):
            sys.stdout.write(overview(name, found))
            return 0 if words else EXIT_USAGE
        if words[0] not in found.verbs:
            called = f"nudge {name}".strip()
            return _fail(f"{words[0]!r} is no verb of {called}.{did_you_mean(words[0], found.verbs)}", EXIT_USAGE)
        word = words.pop(0)
        name, found = f"{name} {word}".strip(), found.verbs[word]
    arguments = parser_of(name, found).read(words)
    arguments.verb = name
    return run_verb(found, arguments)


def overview(name: str, group: Group) -> str:
    """Return the list of a group's verbs; the one without a name is all of nudge."""
    lines = [f"  {word:<10}{verb.summary}" for word, verb in group.verbs.items()]
    if name:
        head = f"usage: nudge {name} VERB [options]\n\n{group.summary.capitalize()}."
        tail = f"nudge {name} VERB --help shows options and examples."
    else:
        head = "usage: nudge VERB [options] [key=value ...]\n\n"
        head += "Teach a robot by demonstrations, then nudge it into shape."
        tail = "nudge VERB --help shows options, examples and every setting with its unit.\n"
        tail += "Start with: nudge demo --quick"
    return "\n".join([head, "", "verbs:", *lines, "", tail, ""])


def parser_of(name: str, verb: Verb) -> VerbParser:
    """Return the parser of one verb; its help ends with examples and the settings."""
    parser = VerbParser(
        verb.has_config,
        prog=f"nudge {name}",
        description=verb.about,
        epilog="examples:\n" + "\n".join(f"  {example}" for example in verb.examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.options(parser)
    if verb.has_json:
        parser.add_argument("--json", action="store_true", help="machine-readable result on standard output")
    if verb.has_config:
        parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file of settings")
        parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", type=_override)
        parser.add_argument("overrides", nargs="*", metavar="key=value", type=_override, help="settings; the last wins")
    return parser


class VerbParser(argparse.ArgumentParser):
    """A parser that names near matches of an unknown option and lists every setting in its help.

    The settings are loaded only when help is asked for, so that verbs start fast.
    """

    def __init__(self, has_config: bool, **options: Any) -> None:
        super().__init__(**options)
        self._has_config = has_config

    def format_help(self) -> str:
        settings = f"\nsettings, as key=default unit [range]:\n{_settings_help()}" if self._has_config else ""
        return super().format_help() + settings

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the arguments in `words`; ends the process with status 2 and a sentence where they are wrong."""
        known = [option for action in self._actions for option in action.option_strings]
        for word in words:
            option = word.partition("=")[0]
            if option.startswith("--") and option not in known:
                self.error(f"{option!r} is no option of {self.prog}.{did_you_mean(option, known)}")
        arguments = self.parse_intermixed_args(words)
        if self._has_config:
            arguments.overrides = [*arguments.settings, *arguments.overrides]
        return arguments


def _settings_help() -> str:
    from sessions.config_help import describe

    config: Any = importlib.import_module("sessions.run_config")
    return describe(config.RunConfig)


def _override(text: str) -> str:
    key, equals, _ = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"a setting is written key=value; found {text!r}")
    return text


def run_verb(verb: Verb, arguments: argparse.Namespace) -> int:
    """Run the verb; an expected error becomes one sentence, anything else stays a traceback."""
    # also where Ctrl-C was ignored before, as in a shell's background: what moves a robot must be stoppable
    previous = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        module: Any = importlib.import_module(verb.module)
        return int(getattr(module, verb.function)(arguments))
    except KeyboardInterrupt:
        return _fail(_stopped(verb, arguments), EXIT_INTERRUPTED)
    except NudgeError as error:
        if (begun := getattr(arguments, "begun", None)) is not None:
            begun.undo()
        return _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the final flush stays silent
        return EXIT_ERROR
    except OSError as error:
        sentence = disk_error(error)
        if sentence is None:
            raise
        return _fail(sentence)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def disk_error(error: OSError) -> str | None:
    """Return the sentence for what an error of a disk or a file means; None where it names no file."""
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{place}; every acknowledged step is kept. Free space, then run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Writing or reading is not allowed here{place}. Choose another place with --run DIR."
    if error.filename and error.errno:
        return f"Cannot read or write {error.filename}: {os.strerror(error.errno)}."
    return None


def _stopped(verb: Verb, arguments: argparse.Namespace) -> str:
    """Return how to go on; the verb may have put its run directory, or a better sentence, into `arguments`."""
    go_on = getattr(arguments, "go_on", "") or verb.go_on
    run = getattr(arguments, "run", None)
    if not go_on or ("{run}" in go_on and run is None):
        return "Stopped."
    clocks = [f" --{name}" for name in ("realtime", "direct") if getattr(arguments, name, False)]
    command = go_on.format(**vars(arguments)) + "".join(clocks)
    return f"Stopped; what was acknowledged is kept. Go on with: {_callable(command)}"


def _callable(command: str) -> str:
    """Return a command of ours as this shell can call it: after `make demo` there may be no nudge on the path."""
    called = Path(sys.argv[0])
    is_hidden = called.name == "nudge" and shutil.which("nudge") is None
    return command.replace("nudge", str(called), 1) if is_hidden else command


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a verb as Ctrl-C does, so that its processes end with it."""
    raise KeyboardInterrupt


def _fail(sentence: str, status: int = EXIT_ERROR) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"nudge: {sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
