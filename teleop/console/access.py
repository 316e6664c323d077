"""Who may see the console, and which one of them may drive. Pure; nothing here knows HTTP."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

ROLES = ("drive", "watch")
MOST_GUESTS = 16


@dataclass
class Guest:
    """Somebody who came by a link.

    Attributes:
        secret: what the browser shows at every request (its cookie).
        name: how others see them.
        may_drive: whether control may be theirs.
    """

    secret: str
    name: str
    may_drive: bool


@dataclass
class Access:
    """One-time links, the guests who came by them, and the one who holds the wheel.

    link = access.invite("drive")            # a token, good for one visit
    guest = access.enter(link)               # None where it is wrong, or was used
    access.guest(cookie)                     # who a request comes from; None for a stranger
    """

    _links: dict[str, str] = field(default_factory=dict)
    _guests: list[Guest] = field(default_factory=list)

    def invite(self, role: str) -> str:
        """Return a new token for `role`, one of `ROLES`; the one before it for that role is void."""
        assert role in ROLES
        self._links[role] = secrets.token_urlsafe(24)
        return self._links[role]

    def enter(self, token: str) -> Guest | None:
        """Use a link up; the oldest of too many guests has to leave."""
        role = next((role for role, known in self._links.items() if _is_same(token, known)), None)
        if role is None:
            return None
        del self._links[role]
        guest = Guest(secrets.token_urlsafe(24), self._name(), role == "drive")
        self._guests = [*self._guests, guest][-MOST_GUESTS:]
        return guest

    def guest(self, secret: str) -> Guest | None:
        """Return whose secret this is."""
        return next((guest for guest in self._guests if _is_same(secret, guest.secret)), None)

    def hand_over(self, giver: Guest, name: str) -> bool:
        """Let the guest called `name` drive instead of `giver`, who must have been allowed to; whether it was done."""
        taker = next((guest for guest in self._guests if guest.name == name and guest is not giver), None)
        if not giver.may_drive or taker is None:
            return False
        giver.may_drive, taker.may_drive = False, True
        return True

    def _name(self) -> str:
        taken = {guest.name for guest in self._guests}
        return next(name for number in range(1, 1000) if (name := f"operator {number}") not in taken)


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
