"""The page itself, in headless Chromium, with a robot that checks what it is told: keys, touch, what is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from console_rig import Served, serving

from benchmarks.console import chromium

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = chromium.found()
WAIT_S = 30.0
VIEW = {
    **{
        "mode": "human",
        "cause": "",
        "blockers": "",
        "arm": "follow",
        "reset": "done",
        "device": "browser",
        "clock": "real time",
    },
    **{"period_ms": 100.0, "episode": {"is_running": True, "step": 31, "seconds": 3.1, "role": "supervise"}},
    "policy": {"version": 12, "base": [None], "residual": [0.5, -0.25], "certainty": 1.34, "is_refused": True},
    "loop": {"commanded_ms": {"median": 1.2, "p99": 3.1}, "executed_ms": {}},
    "duty": {"policy": 0.75, "human": 0.25},
    **{"coach": "Let go sooner.", "news_of_episodes": 2},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make browser-setup, or NUDGE_CHROMIUM=..."),
]


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    for made in serving():
        made.robot.shown = dict(VIEW)
        yield made


@pytest.fixture(name="page")
def _page(served: Served) -> Iterator[Any]:
    errors: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(chromium.QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(served.links[-1])
        until(lambda: page.inner_text("#mode") == "by hand", "the first state")
        until(lambda: served.robot.hands, "the hand at rest")
        yield page
        browser.close()
    assert errors == []


def until(is_done: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def hand_is(served: Served, axes: list[float], *buttons: str) -> bool:
    return served.robot.hands[-1] == (tuple(axes), frozenset(buttons))


def test_keys_are_the_hand_and_every_release_counts(served: Served, page: Any) -> None:
    page.keyboard.down("Space")
    page.keyboard.down("KeyW")
    page.keyboard.down("KeyQ")
    until(lambda: hand_is(served, [1, 0, 0, 0, 0, 1], "engage"), "the keys")
    page.keyboard.down("ShiftLeft")
    until(lambda: hand_is(served, [0.3, 0, 0, 0, 0, 0.3], "engage"), "slowly")
    page.keyboard.up("ShiftLeft")
    page.keyboard.up("KeyW")
    page.keyboard.down("KeyY")
    until(lambda: hand_is(served, [0, 0, 0, 0, 0, 1], "engage", "success"), "the label")
    for key in ("KeyY", "KeyQ", "Space"):
        page.keyboard.up(key)
    until(lambda: hand_is(served, [0] * 6), "everything to be let go")
    words = len(served.robot.hands)
    until(lambda: len(served.robot.hands) > words + 5, "the hand at rest to go on being told")


def test_a_page_that_loses_the_focus_lets_go(served: Served, page: Any) -> None:
    page.keyboard.down("Space")
    page.keyboard.down("KeyS")
    until(lambda: hand_is(served, [-1, 0, 0, 0, 0, 0], "engage"), "the keys")
    page.evaluate("dispatchEvent(new Event('blur'))")
    until(lambda: hand_is(served, [0] * 6), "everything to be let go")


def test_a_note_drives_nothing(served: Served, page: Any) -> None:
    page.keyboard.press("KeyT")
    page.keyboard.type("wasd grasp slipped")
    page.keyboard.press("Enter")
    assert served.robot.said.get(timeout=WAIT_S) == ("note", "wasd grasp slipped")
    assert all(hand == ((0.0,) * 6, frozenset()) for hand in served.robot.hands)
    page.keyboard.press("KeyM")
    assert served.robot.said.get(timeout=WAIT_S) == ("mark", "")
    page.keyboard.press("KeyU")
    assert served.robot.said.get(timeout=WAIT_S) == ("undo", "")


def test_a_reaction_is_measured_and_drives_nothing(served: Served, page: Any) -> None:
    page.evaluate("WAIT_MS.splice(0, 2, 50, 100)")
    page.click("#measure")
    page.keyboard.press("Space")  # a guess
    for _ in range(8):
        page.wait_for_selector("#flash.now")
        time.sleep(0.2)
        page.keyboard.press("Space")
    kind, seconds = served.robot.said.get(timeout=WAIT_S)
    assert kind == "reaction"
    assert 0.15 < float(seconds) < 5.0
    assert "the median of 8: training.rewards.lag_steps=" in page.inner_text("#flash")
    assert all(hand == ((0.0,) * 6, frozenset()) for hand in served.robot.hands)
    page.keyboard.down("Space")
    until(lambda: hand_is(served, [0] * 6, "engage"), "the dead-man to count again")


def test_touch_is_a_hand_too(served: Served, page: Any) -> None:
    page.evaluate("document.getElementById('touch').style.display = 'grid'")
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1)
    until(lambda: served.robot.hands[-1][0][0] > 0.9, "the stick away from the user")
    page.mouse.up()
    until(lambda: hand_is(served, [0] * 6), "the stick to spring back")
    box = page.locator("#hold").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    until(lambda: hand_is(served, [0] * 6, "engage"), "the dead-man")
    page.mouse.move(5, 5)  # the finger slips off: it is captured, and holds on until it is lifted
    page.mouse.up()
    until(lambda: hand_is(served, [0] * 6), "the dead-man to be let go")


def test_stop_and_clear(served: Served, page: Any) -> None:
    page.keyboard.press("Escape")
    until(lambda: served.robot.stops == 1, "the stop by key")
    page.click("#stop")
    until(lambda: served.robot.stops == 2, "the stop by the button")
    served.robot.shown |= {"mode": "fault", "cause": "e_stop"}
    page.wait_for_selector("#banner:not([hidden])")
    assert "The robot is stopped: e_stop." in page.inner_text("#banner")
    page.click("#clear")
    until(lambda: page.inner_text("#told") == "Cleared.", "the answer")
    assert served.robot.clears == 1


def test_it_shows_what_it_is_told_and_runs_none_of_it(served: Served, page: Any) -> None:
    assert page.inner_text("#who") == "You have control"
    assert page.inner_text("#timer") == "3.1 s"
    assert page.inner_text("#certainty") == "+1.3 \u03c3, held back"
    assert page.inner_text("#residual") == "0.50 -0.25"
    assert page.inner_text("#dutytext") == "policy 75%, by hand 25%"
    assert page.inner_text("#coach p") == "Let go sooner."
    assert page.get_attribute("#curves", "data-episodes") == "2"
    until(lambda: page.evaluate("views.every(view => view.shown > 0)"), "both pictures")
    served.robot.shown |= {"mode": "soft_stop", "cause": "<img src=x onerror='document.title=1'>"}
    until(lambda: "<img" in page.inner_text("#why"), "the cause, as text")
    assert page.title() == "nudge console"


def test_where_somebody_teleoperates_with_another_device_the_page_drives_nothing(served: Served, page: Any) -> None:
    served.robot.shown |= {"device": "gamepad"}
    page.wait_for_selector("#hold:disabled", state="attached")
    assert page.inner_text("#told") == "This session is teleoperated by: gamepad."
    page.keyboard.down("Space")
    page.keyboard.down("KeyW")
    page.keyboard.down("KeyY")
    until(lambda: hand_is(served, [0] * 6, "success"), "the label, which counts beside any device")
    page.keyboard.press("KeyM")
    assert served.robot.said.get(timeout=WAIT_S) == ("mark", "")
    assert all(axes == (0.0,) * 6 and "engage" not in buttons for axes, buttons in served.robot.hands)
    served.robot.shown |= {"device": "simulated"}
    page.wait_for_selector("[data-label=success]:disabled")


def test_a_session_that_ends_is_said(served: Served, page: Any) -> None:
    served.server.close()
    until(lambda: page.inner_text("#mode") == "not connected", "the end")
