"""The warning of a window that is about to close: its recipients, and its contents."""

from datetime import timedelta, timezone

import pytest

from domain.conversation import Conversation
from domain.windows import warn
from schemas.directory import BOTH, OFF, NotificationSettings
from schemas.notifications import MessagePreview, Recipient
from tests.unit.domain.given.samples import (
    APP_URL,
    CONVERSATION,
    HOUR,
    directory,
    notified,
    other_account,
    user,
)
from tests.unit.domain.given.watched_windows import NEWEST, UNTIL, watched

CURIOUS = NotificationSettings(assigned_to_others=BOTH)
ANA, BO = (Recipient(user_id, "unassigned", ("desktop",)) for user_id in ("ana", "bo"))


@pytest.mark.parametrize(
    ("assignee_id", "told"),
    [
        (None, [ANA, BO]),
        ("bo", [Recipient("bo", "assigned_to_me", ("desktop", "email"))]),
        ("cy", []),
        # These are gone: nobody else would be told that the contact waits.
        ("dee", [ANA, BO]),
        ("removed", [ANA, BO]),
    ],
)
def test_the_assignee_is_told_or_those_who_are_told_of_what_is_unassigned(
    assignee_id: str | None, told: list[Recipient]
) -> None:
    silent = NotificationSettings(assigned_to_me=OFF, unassigned=OFF, assigned_to_others=BOTH)
    known = directory(
        user("ana", settings=CURIOUS),
        user("bo", settings=CURIOUS),
        user("cy", settings=silent),
        user("dee", inbox_access=False),
    )
    outgoing = warn(watched(assignee_id=assignee_id), known, APP_URL, NEWEST)
    assert [one for event in notified(outgoing) for one in event.recipients] == told
    assert len(outgoing) == bool(told)


def test_a_warning_says_what_the_contact_wrote_last_and_raises_no_version() -> None:
    state = watched(version=7, contact_name="Maria")
    (warning,) = notified(warn(state, directory("ana"), APP_URL, NEWEST))
    assert (warning.kind, warning.version, warning.contact_name) == ("window_closing", 7, "Maria")
    assert warning.message == MessagePreview("m1", "Hello")
    assert warning.recipients == (ANA,)
    assert warning.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"
    assert (warning.part, warning.parts) == (1, 1)


def ids_of(state: Conversation) -> tuple[str, str]:
    """Returns the ids of a window's warning and of its cause."""
    (outgoing,) = warn(state, directory("ana"), APP_URL, NEWEST)
    return outgoing.event_id, outgoing.cause_id


def test_one_window_has_one_id_and_another_has_another() -> None:
    elsewhere = UNTIL.astimezone(timezone(2 * HOUR))
    assert ids_of(watched()) == ids_of(watched()) == ids_of(watched(window_until=elsewhere))
    others = [
        watched(window_until=UNTIL + timedelta(microseconds=1)),
        watched(conversation_id="another"),
        other_account(watched()),
    ]
    every = [ids_of(watched()), *map(ids_of, others)]
    assert len({event_id for event_id, _ in every}) == len(every)
    assert len({cause_id for _, cause_id in every}) == len(every)
