"""A signal that strikes while the middleware works ends the process all the same."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from robot.nodes import spin


class Swallowing:
    """An executor within which a signal strikes, and that makes of it what C++ does."""

    def __init__(self, made_of_it: Exception | None) -> None:
        self._made_of_it = made_of_it

    def spin_once(self, timeout_sec: float) -> None:
        try:
            spin.interrupt()
        except KeyboardInterrupt:
            if self._made_of_it is not None:
                raise self._made_of_it from None


class Node:
    """As much of a node as a turn needs."""

    def __init__(self) -> None:
        self.dropped: list[Exception] = []
        self.context = self

    def ok(self) -> bool:
        return True

    def drop(self, error: Exception) -> None:
        self.dropped.append(error)


@pytest.mark.parametrize("made_of_it", [None, RuntimeError("Unable to convert call argument '0' to Python object")])
def test_an_interrupt_that_the_middleware_swallowed_is_raised(made_of_it: Exception | None) -> None:
    node = Node()
    with pytest.raises(KeyboardInterrupt):
        spin.turn(Swallowing(made_of_it), node, 0.0)
    assert node.dropped == []


def test_another_error_is_dropped_and_an_old_interrupt_is_forgotten() -> None:
    class Failing:
        def spin_once(self, timeout_sec: float) -> None:
            raise ValueError("no message")

    with pytest.raises(KeyboardInterrupt):
        spin.interrupt()
    node = Node()
    spin.turn(Failing(), node, 0.0)
    assert [str(error) for error in node.dropped] == ["no message"]
