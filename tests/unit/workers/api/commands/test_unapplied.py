"""The bounded set of commands that are not applied yet."""

import pytest

from schemas.fields import AccountId
from workers.api.commands import unapplied
from workers.api.commands.unapplied import UnappliedCommands

ACME = AccountId("acme")
PLACE = ("assignments", 1)


def test_a_command_is_forgotten_once_its_record_is_applied() -> None:
    commands = UnappliedCommands()
    commands.add((ACME, "a"), PLACE, 5)
    commands.add((ACME, "b"), PLACE, 6)
    commands.forget_applied({PLACE: 6, ("assignments", 2): 100})
    assert ((ACME, "a") in commands, (ACME, "b") in commands) == (False, True)
    commands.forget_applied({})
    assert (ACME, "b") in commands
    assert (AccountId("other"), "b") not in commands


def test_it_is_bounded_and_says_when_it_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unapplied, "UNAPPLIED_MAX", 2)
    commands = UnappliedCommands()
    for offset, id_ in enumerate("abcd"):
        commands.add((ACME, id_), PLACE, offset)
    assert (len(commands), commands.is_whole) == (2, False)
    commands.add((ACME, "a"), PLACE, 4)  # a repeat of one that is known needs no room
    commands.forget_applied({PLACE: 3})
    assert (len(commands), commands.is_whole) == (1, False)
    commands.forget_applied({PLACE: 4})
    assert commands.is_whole
    commands.clear()
    assert len(commands) == 0
