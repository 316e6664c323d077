"""Why a command was changed or refused, as bits: what the governor, the mux and the arm server answer."""

from __future__ import annotations

import enum


class Reason(enum.IntFlag):
    """Why a command was changed or refused; NONE is healthy. Stores hold these bits: they never change."""

    NONE = 0
    NOT_FINITE = 1
    BAD_QUATERNION = 2
    WRONG_FRAME = 4
    STALE = 8
    FROM_FUTURE = 16
    JUMP = 32
    FORCE = 64
    LINEAR_SPEED = 128
    ANGULAR_SPEED = 256
    WORKSPACE = 512
    BAD_MEASUREMENT = 1024
    KEEP_OUT = 2048
    MOMENT = 4096
    RATE = 8192
    REPLAYED = 16384
    TWO_SOURCES = 32768
    MODE = 65536
    HANDOVER = 131072

    def sentence(self) -> str:
        """Return the set bits as words, for a person."""
        return ", ".join(_WORDS[r] for r in Reason if r in self and r) or "nothing"


_WORDS = {
    Reason.NOT_FINITE: "NaN or infinity in the command",
    Reason.BAD_QUATERNION: "quaternion not of unit length",
    Reason.WRONG_FRAME: "command in another frame than the arm's base",
    Reason.STALE: "command too old",
    Reason.FROM_FUTURE: "command stamped in the future",
    Reason.JUMP: "target too far from the tool",
    Reason.FORCE: "contact force over the limit",
    Reason.LINEAR_SPEED: "translation slowed down",
    Reason.ANGULAR_SPEED: "rotation slowed down",
    Reason.WORKSPACE: "target moved back into the workspace",
    Reason.BAD_MEASUREMENT: "measured tool pose not finite, not a rotation or out of all reach",
    Reason.KEEP_OUT: "target held out of a keep-out box",
    Reason.MOMENT: "contact moment over the limit",
    Reason.RATE: "commands follow each other too fast",
    Reason.REPLAYED: "command no newer than the last one",
    Reason.TWO_SOURCES: "more than one publisher of the target",
    Reason.MODE: "in a mode that does not move",
    Reason.HANDOVER: "change of hands smoothed",
}

REFUSALS = (
    Reason.NOT_FINITE
    | Reason.BAD_QUATERNION
    | Reason.WRONG_FRAME
    | Reason.STALE
    | Reason.FROM_FUTURE
    | Reason.JUMP
    | Reason.FORCE
    | Reason.BAD_MEASUREMENT
    | Reason.MOMENT
    | Reason.RATE
    | Reason.REPLAYED
    | Reason.TWO_SOURCES
    | Reason.MODE
)
"""Reasons that refuse a command altogether; the others change it."""
