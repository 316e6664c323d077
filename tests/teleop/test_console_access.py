"""Who may see the console: by a link that is good once; and one of them drives."""

from __future__ import annotations

from teleop.console.access import MOST_GUESTS, Access


def test_a_link_is_good_once() -> None:
    access = Access()
    link = access.invite("drive")
    guest = access.enter(link)
    assert guest is not None
    assert guest.may_drive
    assert access.enter(link) is None
    assert access.guest(guest.secret) is guest


def test_strangers_are_nobody() -> None:
    access = Access()
    access.invite("drive")
    assert access.enter("") is None
    assert access.enter("\u00e9") is None
    assert access.guest("") is None
    assert access.guest("guess") is None


def test_a_new_link_voids_the_one_before() -> None:
    access = Access()
    first, second = access.invite("watch"), access.invite("watch")
    assert access.enter(first) is None
    guest = access.enter(second)
    assert guest is not None
    assert not guest.may_drive


def test_only_who_drives_hands_over_and_to_somebody_who_is_there() -> None:
    access = Access()
    driver, watcher = access.enter(access.invite("drive")), access.enter(access.invite("watch"))
    assert driver is not None
    assert watcher is not None
    assert not access.hand_over(watcher, driver.name)
    assert not access.hand_over(driver, "nobody")
    assert not access.hand_over(driver, driver.name)
    assert (driver.may_drive, watcher.may_drive) == (True, False)
    assert access.hand_over(driver, watcher.name)
    assert (driver.may_drive, watcher.may_drive) == (False, True)


def test_guests_have_names_of_their_own_and_are_not_without_number() -> None:
    access = Access()
    guests = [access.enter(access.invite("watch")) for _ in range(MOST_GUESTS + 1)]
    known = [guest for guest in guests if guest is not None and access.guest(guest.secret) is not None]
    assert known == guests[1:]
    assert len({guest.name for guest in known}) == MOST_GUESTS
