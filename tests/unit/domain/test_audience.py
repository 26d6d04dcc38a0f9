"""Who is notified: exactly the users whose settings ask for it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audience import assignment_audience, message_audience, notifications, preview
from schemas.directory import BOTH, DESKTOP, OFF, Medium, NotificationSettings
from schemas.fields import MessageId
from schemas.message_context import MessageContext
from schemas.messages import Media
from schemas.notifications import MediumName, MessagePreview, Recipient
from tests.unit.domain.given.samples import APP_URL, CONVERSATION, conversation, directory, user

EMAIL = Medium(False, True)
ALL_ON = NotificationSettings(BOTH, BOTH, BOTH, BOTH)
ALL_OFF = NotificationSettings(OFF, OFF, OFF, OFF)


def test_a_new_user_is_told_as_the_defaults_say() -> None:
    assert NotificationSettings() == NotificationSettings(
        assigned_to_me=BOTH, assigned_to_others=OFF, unassigned=DESKTOP, assignment=BOTH
    )


def test_an_unassigned_conversations_message_goes_to_those_who_want_it_by_id() -> None:
    known = directory("cy", "ana", "bo")
    assert message_audience(conversation(), known) == tuple(
        Recipient(user_id, "unassigned", ("desktop",)) for user_id in ("ana", "bo", "cy")
    )


def test_an_assigned_conversations_message_goes_to_the_assignee() -> None:
    assert message_audience(conversation(assignee_id="bo"), directory("ana", "bo")) == (
        Recipient("bo", "assigned_to_me", ("desktop", "email")),
    )


def test_an_assigned_conversations_message_goes_to_others_who_chose_it() -> None:
    curious = NotificationSettings(assigned_to_others=EMAIL)
    known = directory(user("ana", settings=curious), "bo")
    assert message_audience(conversation(assignee_id="bo"), known) == (
        Recipient("ana", "assigned_to_others", ("email",)),
        Recipient("bo", "assigned_to_me", ("desktop", "email")),
    )


@pytest.mark.parametrize("assignee_id", ["removed", "refused"])
def test_a_conversation_of_an_assignee_who_is_gone_is_unassigned_to_everybody(
    assignee_id: str,
) -> None:
    known = directory(user("ana", settings=ALL_ON), user("refused", inbox_access=False))
    assert message_audience(conversation(assignee_id=assignee_id), known) == (
        Recipient("ana", "unassigned", ("desktop", "email")),
    )


@pytest.mark.parametrize(
    ("medium", "media"),
    [(DESKTOP, ("desktop",)), (EMAIL, ("email",)), (BOTH, ("desktop", "email"))],
)
def test_a_recipient_is_told_by_the_media_they_chose(
    medium: Medium, media: tuple[MediumName, ...]
) -> None:
    known = directory(user("ana", settings=NotificationSettings(unassigned=medium)))
    assert message_audience(conversation(), known) == (Recipient("ana", "unassigned", media),)


@pytest.mark.parametrize("assignee_id", [None, "ana", "bo"])
def test_a_user_who_chose_neither_medium_is_not_told(assignee_id: str | None) -> None:
    known = directory(user("ana", settings=ALL_OFF))
    assert message_audience(conversation(assignee_id=assignee_id), known) == ()


@pytest.mark.parametrize(
    "fields",
    [{"inbox_access": False}, {"name": None}, {"name": None, "inbox_access": False}],
    ids=str,
)
@pytest.mark.parametrize("assignee_id", [None, "ana", "bo"])
def test_only_known_users_with_inbox_access_are_told(
    fields: dict[str, Any], assignee_id: str | None
) -> None:
    known = directory(user("ana", settings=ALL_ON, **fields))
    assert message_audience(conversation(assignee_id=assignee_id), known) == ()
    assert assignment_audience("ana", "bo", known) == ()


def test_an_unavailable_user_is_told_all_the_same() -> None:
    known = directory(user("ana", available=False))
    assert [item.user_id for item in message_audience(conversation(), known)] == ["ana"]


def test_an_assignment_is_told_to_the_assignee_alone() -> None:
    known = directory(user("ana", settings=ALL_ON), "bo")
    assert assignment_audience("bo", "ana", known) == (
        Recipient("bo", "assignment", ("desktop", "email")),
    )


def test_nobody_is_told_of_what_they_did_themselves() -> None:
    assert assignment_audience("ana", "ana", directory("ana", "bo")) == ()


def test_an_assignment_to_an_unknown_user_is_told_to_nobody() -> None:
    assert assignment_audience("gone", "ana", directory("ana")) == ()


IMAGE, VIDEO = Media("u", "image/png"), Media("u", "video/mp4")


@pytest.mark.parametrize(
    ("body", "media", "shown"),
    [
        ("", (), ""),
        ("Hello", (IMAGE,), "Hello"),
        ("", (IMAGE, VIDEO), "image/png, video/mp4"),
        ("x" * 140, (), "x" * 140),
        ("x" * 141, (), "x" * 139 + "…"),
        ("👍" * 1_000, (), "👍" * 139 + "…"),
        # Nothing that is seen as one character is cut in two.
        ("x" * 138 + "👍🏽xx", (), "x" * 138 + "…"),
        ("e" + "\u0301" * 1_000, (), "e" + "\u0301" * 138 + "…"),
        ("", (IMAGE,) * 20, ("image/png, " * 20)[:139] + "…"),
    ],
)
def test_a_preview_is_at_most_140_characters(
    body: str, media: tuple[Media, ...], shown: str
) -> None:
    assert preview(body, media) == shown
    assert len(shown) <= 140


def test_without_text_and_files_a_preview_says_what_the_message_is_about() -> None:
    context = MessageContext(form={"E-mail": "dana@example.com"}, forwarded=True)
    assert preview("", (), context) == "Form: E-mail: dana@example.com; Forwarded"
    assert preview("Hi", (), context) == "Hi"
    assert preview("", (Media("u", "image/png"),), context) == "image/png"
    assert preview("", (), MessageContext()) == ""


@pytest.mark.parametrize("body", [" ", "\u200b\u2800", "\n" * 200, " " * 140 + "Hello"], ids=ascii)
def test_a_text_that_cannot_be_seen_is_no_preview(body: str) -> None:
    context = MessageContext(form={"a": "Hello"})
    assert preview(body, (IMAGE,), context) == "image/png"
    assert preview(body, (), context) == "Form: a: Hello"
    assert preview(body, ()) == ""


@given(st.text(st.sampled_from(" \u200bae\u0301"), max_size=300))
def test_a_preview_needs_one_character_more_than_it_shows(body: str) -> None:
    context = MessageContext(form={"a": "a"})
    assert preview(body, (), context) == preview(body[:141], (), context)


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (500, [500]), (501, [500, 1]), (1_000, [500, 500]), (1_001, [500, 500, 1])],
)
def test_recipients_are_told_in_numbered_parts_of_at_most_500(count: int, sizes: list[int]) -> None:
    recipients = tuple(Recipient(f"u{n:04}", "unassigned", ("email",)) for n in range(count))
    made = notifications(
        conversation(),
        recipients,
        kind="message",
        cause_id="m1",
        app_url=APP_URL,
        message=(MessageId("message"), "Hello"),
    )
    parts: list[Any] = [item.data for item in made]
    assert [len(part.recipients) for part in parts] == sizes
    assert [part.part for part in parts] == list(range(1, len(sizes) + 1))
    assert {part.parts for part in parts} <= {len(sizes)}
    assert tuple(one for part in parts for one in part.recipients) == recipients
    assert len({item.event_id for item in made}) == len(sizes)
    for part in parts:
        assert (part.version, part.conversation_id) == (2, CONVERSATION)
        assert part.message == MessagePreview("message", "Hello")


def test_audiences_are_kept_within_a_limit_and_never_mixed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("domain.audience.KEPT_RECIPIENTS_MAX", 6)
    known = directory("ana", "bo", user("cy", settings=ALL_OFF))
    for assignee_id in (None, "ana", "bo", "cy", None, "ana", "bo", "cy", "bo", None):
        audience = message_audience(conversation(assignee_id=assignee_id), known)
        expected = {None: ["ana", "bo"], "cy": []}.get(assignee_id, [assignee_id])
        assert [item.user_id for item in audience] == expected
        assert len(known.audiences) <= 3
