"""In any history, each command has one result, each event has its own id, accounts are apart."""

from collections import Counter

import pytest
from hypothesis import given

from schemas.commands import CommandAccepted, CommandRejected
from schemas.fields import Command
from tests.unit.domain.given.histories import ANY_HISTORIES, HISTORIES, History
from tests.unit.domain.given.memory_inbox import Inbox, emitted, played

# Many examples: coverage would take most of their time. The example tests reach all lines.
pytestmark = [pytest.mark.no_cover, pytest.mark.seconds(25)]


@given(ANY_HISTORIES)
def test_every_command_has_exactly_one_result(history: History) -> None:
    inbox = played(history)
    results = Counter(
        (data.account_id, data.command_id)
        for data in emitted(inbox)
        if isinstance(data, CommandAccepted | CommandRejected)
    )
    commands = {
        (event.data.account_id, event.id) for _, event in history if isinstance(event.data, Command)
    }
    assert results == dict.fromkeys(commands, 1)


@given(HISTORIES)
def test_a_rejected_command_says_nothing_but_its_result(history: History) -> None:
    for applied in played(history).applied:
        if any(isinstance(item.data, CommandRejected) for item in applied.outgoing):
            assert len(applied.outgoing) == 1


@given(ANY_HISTORIES)
def test_no_two_emitted_events_have_one_id_however_careless_the_publishers(
    history: History,
) -> None:
    outgoing = [item for applied in played(history).applied for item in applied.outgoing]
    assert len({item.event_id for item in outgoing}) == len(outgoing)


@given(HISTORIES)
def test_nothing_crosses_accounts(history: History) -> None:
    together = played(history)
    accounts = {applied.event.data.account_id for applied in together.applied}
    for account_id in accounts:
        apart, now = Inbox(), together.applied[0].now
        for gap, event in history:
            now += gap
            if event.data.account_id == account_id:
                apart.apply(event, now)
        ours = [
            applied for applied in together.applied if applied.event.data.account_id == account_id
        ]
        assert [applied.outgoing for applied in apart.applied] == [
            applied.outgoing for applied in ours
        ]
        for applied in ours:
            assert {item.data.account_id for item in applied.outgoing} <= {account_id}
