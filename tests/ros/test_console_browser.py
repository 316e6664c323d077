"""The console in a real browser (headless Chromium): see, take over, let go, label, stop, clear."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LIGHT, Nudge

from benchmarks.console.chromium import QUIET
from robot.store import StoreReader
from robot.types import Source

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = os.environ.get("NUDGE_CHROMIUM")
"""Never looked for: a whole session in real time beside a browser that draws in software wants a machine for itself."""

pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="asked for by make browser-test, or NUDGE_CHROMIUM=..."),
]
SESSION = (*LIGHT, "teleop.device=browser", "console.port=0", "task.max_steps=5000")
DEADLINE_S = 150.0
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(name="browser")
def _browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


def _until(is_done: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


class Operator:
    """Somebody at the page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def come(self, link: str) -> None:
        assert self.page.goto(link).status == 200
        _until(lambda: self.page.inner_text("#mode") not in ("connecting", "starting"), "the session")

    def sees(self, element: str, text: str) -> None:
        _until(lambda: text in self.page.inner_text(element), f"{text!r} in {element}; it says {self.says(element)!r}")

    def says(self, element: str) -> str:
        return str(self.page.inner_text(element))

    def picture(self) -> bytes:
        return bytes(self.page.locator("canvas[data-camera=front]").screenshot())

    def takes_over(self, *keys: str) -> None:
        """Hold the dead-man and `keys` until the arm is driven by hand, whatever stops it on the way."""

        def drives() -> bool:
            if self.page.inner_text("#mode") == "by hand":
                return True
            self.page.keyboard.up("Space")  # a stop, or a reset: the dead-man counts only when it is pressed anew
            time.sleep(0.1)
            self.page.keyboard.down("Space")
            time.sleep(0.4)
            return bool(self.page.inner_text("#mode") == "by hand")

        _until(drives, "control")
        for key in keys:
            self.page.keyboard.down(key)

    def lets_go(self, *keys: str) -> None:
        for key in (*keys, "Space"):
            self.page.keyboard.up(key)


def _link(run: Path) -> str:
    return str(json.loads((run / "console.json").read_text())["link"])


def test_an_operator_sees_drives_labels_stops_and_clears(nudge: Nudge, browser: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    session = nudge.start("record", "--realtime", "--run", str(run), "--episodes", "2", *SESSION)
    nudge.wait_in(session, (run / "console.json").exists, "the console")
    assert (run / "console.json").stat().st_mode & 0o777 == 0o600
    link = _link(run)
    operator = Operator(browser.new_page(viewport=DESK))
    operator.come(link)
    operator.page.wait_for_selector("canvas[data-camera=front]")

    before = operator.picture()
    # a machine that is busy makes the page silent for a moment, and that lets go: whoever sees that takes over again
    _until(lambda: operator.takes_over("KeyS") or operator.says("#who") == "You have control", "control, on the page")
    _until(lambda: operator.picture() != before, "the arm to move in the picture")
    operator.lets_go("KeyS")
    operator.sees("#who", "The robot waits for you")
    operator.takes_over()
    operator.page.keyboard.press("KeyM")
    operator.page.keyboard.down("KeyY")
    _until(lambda: operator.page.get_attribute("#curves", "data-episodes") == "1", "the curve to move")
    operator.page.keyboard.up("KeyY")
    operator.lets_go()

    operator.page.click("#stop")
    operator.sees("#mode", "fault")
    operator.sees("#banner", "e_stop")
    operator.page.keyboard.down("Space")
    operator.page.keyboard.down("KeyW")
    time.sleep(1.0)
    assert operator.says("#mode") == "fault", "an emergency stop latches"
    operator.lets_go("KeyW")
    operator.page.click("#clear")
    operator.sees("#told", "Cleared")
    operator.takes_over("KeyW")  # the session has gone on by itself
    operator.page.keyboard.press("KeyY")
    operator.lets_go("KeyW")
    assert operator.errors == []
    output, _ = session.communicate(timeout=DEADLINE_S)
    assert session.returncode == 0, output
    assert not (run / "console.json").exists()

    reader = StoreReader.open(run / "demos.zarr")
    episodes = [reader.episode(i) for i in range(len(reader))]
    kept = [episode for episode in episodes if not episode.is_aborted]
    assert [episode.is_success for episode in kept] == [True, True]
    assert all((episode.source == Source.HUMAN).any() for episode in kept)
    assert any("e_stop" in line["cause"] for line in _lines(run, "stops"))
    assert [line["say"] for line in _lines(run, "remarks")] == ["mark"]


def test_a_tab_that_is_closed_lets_go(nudge: Nudge, browser: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    session = nudge.start("record", "--realtime", "--run", str(run), "--episodes", "1", *SESSION)
    nudge.wait_in(session, (run / "console.json").exists, "the console")
    context = browser.new_context(viewport=PHONE, has_touch=True)
    operator = Operator(context.new_page())
    operator.come(_link(run))
    operator.takes_over("KeyS")
    operator.page.close()
    again = Operator(context.new_page())
    again.come(_link(run).partition("?")[0])  # its cookie lets the same browser in again
    _until(lambda: again.says("#mode") not in ("by hand", "starting"), "the dead-man to be released")
    assert again.says("#who") != "You have control"
    assert again.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a phone shows it all"
    stranger = Operator(browser.new_page())
    assert stranger.page.goto(_link(run).partition("?")[0]).status == 403
    again.takes_over()
    again.page.keyboard.press("KeyY")
    again.lets_go()
    output, _ = session.communicate(timeout=DEADLINE_S)
    assert session.returncode == 0, output


def _lines(run: Path, metric: str) -> list[dict[str, Any]]:
    path = run / "metrics" / f"{metric}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
