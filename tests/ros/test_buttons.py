"""In what order the words of a button count."""

from __future__ import annotations

from robot.nodes.buttons import place_of


def test_a_later_word_counts_although_the_buttons_clock_was_set_back() -> None:
    press = {"source_timestamp": 2_000, "received_timestamp": 5_000, "publication_sequence_number": 1}
    later = {"source_timestamp": 1_000, "received_timestamp": 6_000, "publication_sequence_number": 2}
    assert place_of(later) > place_of(press)
    unnumbered = [{**word, "publication_sequence_number": None} for word in (press, later)]
    assert place_of(unnumbered[1]) > place_of(unnumbered[0])
