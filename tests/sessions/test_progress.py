"""Progress says how far work is and how long it will take, without a terminal too."""

from __future__ import annotations

import io

from sessions.progress import LINE_EVERY_S, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_line_comes_every_few_seconds_and_one_at_the_end() -> None:
    now = [0.0]
    stream = io.StringIO()
    with Progress("record", total=20, stream=stream, now_s=lambda: now[0]) as progress:
        for _ in range(20):
            now[0] += LINE_EVERY_S / 4
            progress.advance(note="peg in")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 20 // 4 + 1
    assert lines[0] == "record     4/20  20%  0:05 elapsed, 0:20 left  peg in"
    assert lines[-1] == "record     20/20 100%  0:25 elapsed  peg in"


def test_the_time_left_is_the_mean_pace_times_what_is_left() -> None:
    now = [100.0]
    with Progress("train", total=10, stream=io.StringIO(), now_s=lambda: now[0]) as progress:
        assert progress.left_s is None
        now[0] += 30
        progress.advance(3)
        assert progress.left_s == 70


def test_work_that_fails_still_says_how_far_it_came() -> None:
    stream = io.StringIO()
    try:
        with Progress("train", total=10, stream=stream) as progress:
            progress.advance(3)
            raise KeyError("broken")
    except KeyError:
        pass
    assert stream.getvalue().startswith("train      3/10")


def test_on_a_terminal_there_is_a_bar_with_the_time_left() -> None:
    stream = Terminal()
    with Progress("train", total=4, stream=stream) as progress:
        progress.advance(4, note="done")
    assert "4/4" in stream.getvalue()
    assert "left" in stream.getvalue()


def test_what_is_waited_for_is_said_and_gone_once_the_work_goes_on() -> None:
    now = [0.0]
    stream = io.StringIO()
    with Progress("finetune", total=10, stream=stream, now_s=lambda: now[0]) as progress:
        progress.wait("waiting for the learner")  # not for long enough to be said
        now[0] += LINE_EVERY_S
        progress.wait("")  # nothing to say
        now[0] -= LINE_EVERY_S
        for _ in range(4):
            now[0] += LINE_EVERY_S / 2
            progress.wait("waiting for the learner")
        progress.wait("")
        progress.advance(10, note="all in")
    assert [line.partition("elapsed")[2] for line in stream.getvalue().splitlines()] == [
        ", ? left  waiting for the learner",
        ", ? left  waiting for the learner",
        "  all in",
    ]
    terminal = Terminal()
    with Progress("finetune", total=10, stream=terminal) as progress:
        progress.advance(5, note="half in")
        progress.wait("waiting")
        progress.wait("")
    assert terminal.getvalue().rfind("half in") > terminal.getvalue().rfind("waiting")


def test_what_was_done_before_says_nothing_about_the_pace() -> None:
    now = [0.0]
    with Progress("finetune", total=1000, stream=io.StringIO(), now_s=lambda: now[0]) as progress:
        progress.go_on(900)
        assert progress.left_s is None
        now[0] += 10.0
        progress.advance(20)
        assert progress.left_s == 40.0


def test_a_last_episode_that_goes_beyond_the_total_takes_it_along() -> None:
    stream = io.StringIO()
    with Progress("finetune", total=100, stream=stream) as progress:
        progress.advance(90)
        progress.advance(15)
    assert stream.getvalue().startswith("finetune   105/105 100%")
    unknown = io.StringIO()
    with Progress("pack", total=0, stream=unknown) as progress:
        progress.advance(7)  # how many there are is said later
        assert progress.left_s == 0.0
        progress.expect(10)
    assert unknown.getvalue().startswith("pack       7/10  70%")
