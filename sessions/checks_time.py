"""What the doctor checks for real time: the clocks, and who may have a core first."""

from __future__ import annotations

import ctypes
import struct
import threading
import time

from robot import priority
from robot.clock import ClockWatch, read_clocks
from sessions.finding import Finding

WATCH_S = 0.3
STEP_S = 0.001
"""A system clock that is set by more than this, in so short a time, is being stepped."""
_ADJTIMEX = "=I4xqqqqi"
"""Head of the kernel's struct timex on 64 bits, adjtimex(2): modes, offset, freq, maxerror, esterror, status."""
_UNSYNCHRONISED = 0x40
_PPM = 65536
"""Unit of freq: a millionth has 16 fractional bits."""


def clock() -> Finding:
    """The control loop lives on the monotonic clock; a coarse one misses deadlines."""
    resolution_s = time.get_clock_info("monotonic").resolution
    text = f"monotonic, resolution {resolution_s * 1e9:.0f} ns"
    if resolution_s <= 1e-6:
        return Finding("clock", "ok", text)
    return Finding("clock", "warn", text, "Stamps and deadlines are no finer than that; use a Linux host.")


def system_clock() -> Finding:
    """Whether something steers the clock of the stamps, and whether it was set while we looked."""
    return judged_clock(steering(), watched_step_s(WATCH_S))


def judged_clock(steered_ppm: float | None, step_s: float) -> Finding:
    """Judge the system clock: by how much it is steered (NaN: not at all, None: unknown), how far it was set."""
    if step_s:
        advice = "Every step stops the arm; let chrony or systemd-timesyncd steer it: timedatectl set-ntp true"
        return Finding("system clock", "fail", f"was set by {step_s * 1e3:+.1f} ms while the doctor looked", advice)
    if steered_ppm is None:
        return Finding("system clock", "ok", "no step; the system does not tell whether it is synchronised")
    if steered_ppm != steered_ppm:
        advice = "Fine on one machine; before using several: timedatectl set-ntp true"
        return Finding("system clock", "warn", "no step; not synchronised with any other", advice)
    return Finding("system clock", "ok", f"no step; synchronised, steered by {steered_ppm:+.1f} ppm")


def steering() -> float | None:
    """Return the rate correction [ppm] of a synchronised clock, NaN for one that is not, None where nobody tells."""
    buffer = ctypes.create_string_buffer(512)  # the struct has 208 bytes; zeros: read only
    try:
        state = ctypes.CDLL(None).adjtimex(buffer)
    except AttributeError:  # no Linux
        return None
    return None if state < 0 else correction_ppm(buffer.raw)


def correction_ppm(timex: bytes) -> float:
    """Return the rate correction [ppm] in a kernel's struct timex; NaN where it says that nobody synchronises."""
    _, _, frequency, _, _, status = struct.unpack_from(_ADJTIMEX, timex)
    return float("nan") if status & _UNSYNCHRONISED else frequency / _PPM


def watched_step_s(duration_s: float) -> float:
    """Return the sum of the steps [s] of the system clock against the monotonic one during `duration_s`."""
    watch = ClockWatch(STEP_S)
    end_s, total_s = time.monotonic() + duration_s, 0.0
    while time.monotonic() < end_s:
        total_s += watch.step_s(*read_clocks())
        time.sleep(0.01)
    return total_s


def priorities() -> Finding:
    """Whether a control thread gets real-time scheduling here; tried, because a limit alone does not tell."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(priority.raise_thread()))
    thread.start()
    thread.join()
    return judged_priorities(said[0])


def judged_priorities(said: str) -> Finding:
    """Judge what `robot.priority.raise_thread` said."""
    found, _, advice = said.rstrip(".").partition("; ")
    if not advice:
        return Finding("priorities", "ok", f"control threads get {found}")
    return Finding("priorities", "warn", found, advice[0].upper() + advice[1:])
