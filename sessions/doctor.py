"""`nudge doctor`: checks the machine and says what to do about each finding."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from sessions.checks import all_findings
from sessions.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; returns 1 if one of them keeps nudge from working."""
    findings = all_findings(arguments.run)
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        _print(findings)
    return int(any(finding.status == "fail" for finding in findings))


def _print(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        advice = f"\n-> {finding.advice}" if finding.advice else ""
        table.add_row(f"[{COLOURS[finding.status]}]{finding.status}[/]", finding.name, _plain(finding.found + advice))
    console = Console()
    console.print(table)
    counts = Counter(finding.status for finding in findings)
    console.print(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} in the way", highlight=False)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
