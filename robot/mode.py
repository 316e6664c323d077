"""Who may move the arm, as a pure state machine: every mode has an answer to every event."""

from __future__ import annotations

import enum


class Mode(enum.Enum):
    DISABLED = "disabled"
    READY = "ready"
    POLICY = "policy"
    HUMAN = "human"
    RESETTING = "resetting"
    SOFT_STOP = "soft_stop"
    FAULT = "fault"


class Event(enum.Enum):
    ENABLE = "enable"
    DISABLE = "disable"
    POLICY_COMMAND = "policy_command"
    ENGAGE = "engage"
    RELEASE = "release"
    EPISODE_END = "episode_end"
    RESET_BEGIN = "reset_begin"
    RESET_DONE = "reset_done"
    RESET_FAILED = "reset_failed"
    COMMAND_EXPIRED = "command_expired"
    SENSOR_STALE = "sensor_stale"
    SENSOR_FROZEN = "sensor_frozen"
    NODE_SILENT = "node_silent"
    CLOCK_STEPPED = "clock_stepped"
    TWO_SOURCES = "two_sources"
    E_STOP = "e_stop"
    FAULT = "fault"
    CLEAR_BY_PERSON = "clear_by_person"


_STOPS = {Event.DISABLE: Mode.DISABLED, Event.E_STOP: Mode.FAULT, Event.FAULT: Mode.FAULT}

# what a robot that must not trust its senses, its nodes or its clock does
_HOLDS = dict.fromkeys(
    (Event.SENSOR_STALE, Event.SENSOR_FROZEN, Event.NODE_SILENT, Event.CLOCK_STEPPED, Event.TWO_SOURCES),
    Mode.SOFT_STOP,
)

TRANSITIONS: dict[Mode, dict[Event, Mode]] = {
    Mode.DISABLED: {Event.ENABLE: Mode.READY, Event.E_STOP: Mode.FAULT, Event.FAULT: Mode.FAULT},
    Mode.READY: _STOPS
    | _HOLDS
    | {
        Event.POLICY_COMMAND: Mode.POLICY,
        Event.ENGAGE: Mode.HUMAN,
        Event.RESET_BEGIN: Mode.RESETTING,
    },
    Mode.POLICY: _STOPS
    | _HOLDS
    | {
        Event.ENGAGE: Mode.HUMAN,
        Event.EPISODE_END: Mode.READY,
        Event.RESET_BEGIN: Mode.RESETTING,
        Event.COMMAND_EXPIRED: Mode.SOFT_STOP,
    },
    Mode.HUMAN: _STOPS
    | _HOLDS
    | {
        # released: the policy may go on, but only with its next command
        Event.RELEASE: Mode.READY,
        Event.EPISODE_END: Mode.READY,
        Event.COMMAND_EXPIRED: Mode.SOFT_STOP,
    },
    Mode.RESETTING: _STOPS
    | _HOLDS
    | {
        Event.RESET_DONE: Mode.READY,
        Event.RESET_FAILED: Mode.FAULT,
        Event.COMMAND_EXPIRED: Mode.SOFT_STOP,
    },
    # held compliantly: a policy alone cannot leave it, a person or a reset can
    Mode.SOFT_STOP: _STOPS | {Event.ENGAGE: Mode.HUMAN, Event.RESET_BEGIN: Mode.RESETTING},
    Mode.FAULT: {Event.CLEAR_BY_PERSON: Mode.DISABLED},
}
"""What is not listed changes nothing. `FAULT` has one way out, and a person takes it."""

MOVING = frozenset({Mode.POLICY, Mode.HUMAN, Mode.RESETTING})
"""Modes in which commands reach the arm."""

BEGINNINGS = frozenset({Event.POLICY_COMMAND, Event.ENGAGE, Event.RESET_BEGIN})
"""Events that begin a motion: they count only while nothing forbids one (`robot.mux.CommandMux.watch`)."""


def after(mode: Mode, event: Event) -> Mode:
    """Return the mode that follows `mode` on `event`."""
    return TRANSITIONS[mode].get(event, mode)
