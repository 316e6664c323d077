"""A person at an input device: what they command, whether they have control, and what they say of the episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot.clock import Clock, to_ns
from robot.errors import ConfigError, RobotError, did_you_mean
from robot.interfaces import DeviceReading, DeviceSample, InputDevice
from robot.types import Label
from teleop.device_config import MEANINGS, DeviceConfig
from teleop.shaping import Shaper

AGAIN_S = 1.0
"""So often a device that is not there is looked for."""

_LABELS = {"success": Label.SUCCESS, "failure": Label.FAILURE, "discard": Label.DISCARD}
_AT_REST = DeviceSample(np.zeros(6), False, Label.NONE)


class PersonAtDevice:
    """`robot.interfaces.TeleopDevice` over any `InputDevice`.

    A device that is not there, or was unplugged, is no error: the person has let go, `complaint` says why, and it is
    looked for again. One that comes back while it is held engages only when it was let go once.

    Args:
        device: what the person holds.
        config: its feel and its buttons.
        clock: steady; of lingering and of looking again.

    Raises:
        ConfigError: the device has no such button, or none that engages.
    """

    def __init__(self, device: InputDevice, config: DeviceConfig, clock: Clock) -> None:
        self._device, self._config, self._clock = device, config, clock
        self._shaper = Shaper(config)
        self._meanings = config.meanings
        for meaning, button in self._meanings.items():
            if button not in device.buttons:
                raise ConfigError(
                    f"teleop.buttons: the {config.device} has no button {button!r} for {meaning}."
                    f"{did_you_mean(button, device.buttons)}"
                )
        if config.engages == "hold" and "engage" not in self._meanings:
            raise ConfigError("teleop.engages=hold needs a button: teleop.buttons=[engage=NAME], or engages=touch.")
        self._is_there = False
        self._look_ns = 0
        self._grip = _Grip(config)
        self.complaint = ""

    def connect(self) -> None:
        """Look for the device; whether it is there `complaint` says."""
        try:
            self._device.connect()
        except RobotError as error:
            self._lose(error)
            return
        self._is_there, self.complaint = True, ""
        self._grip = _Grip(self._config)

    def read(self) -> DeviceSample:
        """Return what the person does now."""
        now_ns = self._clock.now_ns()
        if not self._is_there:
            if now_ns < self._look_ns:
                return _AT_REST
            self.connect()
            if not self._is_there:
                return _AT_REST
        try:
            reading = self._device.read()
        except RobotError as error:
            self._lose(error)
            return _AT_REST
        is_pressed = self._meanings.get("engage") in reading.buttons
        is_engaged = self._grip.is_engaged(is_pressed, self._shaper.deflection(reading.axes), now_ns)
        axes = self._shaper(reading.axes) if is_engaged else np.zeros(6)
        return DeviceSample(axes, is_engaged, self._label(reading))

    def close(self) -> None:
        """Let go of the device; may be called twice."""
        self._is_there = False
        self._device.close()

    def _lose(self, error: RobotError) -> None:
        self._is_there, self.complaint = False, str(error)
        self._look_ns = self._clock.now_ns() + to_ns(AGAIN_S)

    def _label(self, reading: DeviceReading) -> Label:
        found = Label.NONE
        for meaning in MEANINGS[1:]:
            if self._meanings.get(meaning) in reading.buttons:
                found |= _LABELS[meaning]
        return found


@dataclass
class _Grip:
    """Whether a person has control, by a button or by touch; nobody has until the device was seen at rest."""

    config: DeviceConfig
    has_rested: bool = False
    is_held: bool = False
    touched_ns: int = 0

    def is_engaged(self, is_pressed: bool, deflection: float, now_ns: int) -> bool:
        c = self.config
        if c.engages == "hold":
            self.has_rested = self.has_rested or not is_pressed
            return is_pressed and self.has_rested
        self.has_rested = self.has_rested or deflection < c.touch_off
        if deflection >= c.touch_off:
            self.touched_ns = now_ns
        if not self.is_held:
            self.is_held = self.has_rested and deflection > c.touch_on
        elif deflection < c.touch_off and now_ns - self.touched_ns >= to_ns(c.linger_s):
            self.is_held = False
        return self.is_held
