"""What a check of the doctor says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: `status` is "ok", "warn" or "fail"; `advice` is empty where all is well."""

    name: str
    status: str
    found: str
    advice: str = ""
