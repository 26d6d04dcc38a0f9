"""Addresses are held for one channel at a time, and not for ever."""

import pytest

from schemas.fields import AccountId, ChannelId
from workers.api.commands import held_addresses
from workers.api.commands.held_addresses import HeldAddresses

ACME, OTHER = (AccountId("acme"), "+491511"), (AccountId("other"), "+491511")
FIRST, SECOND = ChannelId("c1"), ChannelId("c2")


def test_an_address_is_held_for_one_channel_until_that_releases_it() -> None:
    held = HeldAddresses()
    assert held.hold(ACME, FIRST) == FIRST
    assert held.hold(ACME, FIRST) == FIRST
    assert held.hold(ACME, SECOND) == FIRST
    assert held.hold(OTHER, SECOND) == SECOND
    held.release(ACME, SECOND)
    assert held.hold(ACME, SECOND) == FIRST
    held.release(ACME, FIRST)
    assert held.hold(ACME, SECOND) == SECOND


def test_an_address_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_addresses, "HELD_SECONDS", 0.0)
    held = HeldAddresses()
    held.hold(ACME, FIRST)
    assert held.hold(ACME, SECOND) == SECOND


def test_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_addresses, "HELD_MAX", 2)
    held = HeldAddresses()
    for number in range(3):
        held.hold((AccountId("acme"), str(number)), FIRST)
    assert held.hold((AccountId("acme"), "1"), SECOND) == FIRST
    assert held.hold((AccountId("acme"), "0"), SECOND) == SECOND
