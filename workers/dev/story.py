"""The sales day: who does what, and exactly what the inbox must say to it.

Ana, Bo and Cleo sell. Ana keeps the default settings. Bo wants e-mail too about what nobody has
taken yet. Cleo wants none of that, but sees on her desktop what is assigned to others.
"""

from typing import NamedTuple

from domain.directory import User
from schemas.directory import BOTH, DESKTOP, OFF, NotificationSettings
from schemas.fields import AccountId, ChannelId, UserId

ACCOUNT, CHANNEL = AccountId("acme"), ChannelId("whatsapp-sales")
ACCOUNT_SID = "AC" + "de" * 16
SENDER = "whatsapp:+14155238886"
"""The account's own number, which contacts write to."""

USERS = tuple(
    User(
        account_id=ACCOUNT,
        user_id=UserId(user_id),
        name=name,
        email=f"{user_id}@example.com",
        inbox_access=True,
        settings=settings,
    )
    for user_id, name, settings in (
        ("ana", "Ana Lima", NotificationSettings()),
        ("bo", "Bo Chen", NotificationSettings(unassigned=BOTH)),
        ("cleo", "Cleo Roy", NotificationSettings(unassigned=OFF, assigned_to_others=DESKTOP)),
    )
)
VIEWER = "ana"
"""Whose inbox the summary shows."""

MARIA, JONAS, PRIYA, CHEN = CONTACTS = ("Maria Souza", "Jonas Weber", "Priya Nair", "Chen Wei")


class Writes(NamedTuple):
    """A contact writes on WhatsApp."""

    contact: str
    body: str
    picture: bool = False


class Repeats(NamedTuple):
    """Twilio posts a contact's last message once more."""

    contact: str


class Forges(NamedTuple):
    """Somebody who does not know the secret posts a message."""

    contact: str


class Assigns(NamedTuple):
    """A user assigns a contact's conversation."""

    actor_id: str
    contact: str
    assignee_id: str


class Closes(NamedTuple):
    """A user closes a contact's conversation."""

    actor_id: str
    contact: str
    before_last_message: bool = False
    """Issued before the contact's last message, and delivered after it."""


class Leaves(NamedTuple):
    """A user becomes unavailable."""

    user_id: str


Act = Writes | Repeats | Forges | Assigns | Closes | Leaves


class Step(NamedTuple):
    """One thing that happens, and every event it must cause, as `inbox watch` would put it."""

    told: str
    act: Act
    expected: tuple[str, ...] = ()


STORY = (
    Step(
        "Maria writes on WhatsApp",
        Writes(MARIA, "Olá! Quanto custa o plano anual? 👋"),
        (
            "created, v1",
            "message recorded v2",
            "notification to ana (desktop), bo (desktop, email): "
            '"Olá! Quanto custa o plano anual? 👋"',
        ),
    ),
    Step(
        "Jonas writes too",
        Writes(JONAS, "Is the blue one still for sale?"),
        (
            "created, v1",
            "message recorded v2",
            'notification to ana (desktop), bo (desktop, email): "Is the blue one still for sale?"',
        ),
    ),
    Step(
        "Jonas sends a picture of it",
        Writes(JONAS, "", picture=True),
        (
            "message recorded v3",
            'notification to ana (desktop), bo (desktop, email): "image/jpeg"',
        ),
    ),
    Step("Twilio posts that message once more: nothing changes", Repeats(JONAS)),
    Step("Somebody posts a forged message: 403", Forges(JONAS)),
    Step(
        "Ana takes Maria's conversation",
        Assigns("ana", MARIA, "ana"),
        ("assigned to ana by ana, v3", "accepted: conversation.assign"),
    ),
    Step(
        "Maria adds something, which is Ana's now, and Cleo looks on",
        Writes(MARIA, "E com desconto? 😀"),
        (
            "message recorded v4",
            'notification to ana (desktop, email), cleo (desktop): "E com desconto? 😀"',
        ),
    ),
    Step(
        "Ana assigns Jonas's conversation to Bo",
        Assigns("ana", JONAS, "bo"),
        (
            "assigned to bo by ana, v4",
            "notification to bo (desktop, email): assignment",
            "accepted: conversation.assign",
        ),
    ),
    Step("Cleo goes to lunch: she is not available", Leaves("cleo")),
    Step(
        "Bo tries to hand Jonas's conversation to her",
        Assigns("bo", JONAS, "cleo"),
        ("rejected: assignee_unavailable (conversation.assign: user cleo is not available)",),
    ),
    Step(
        "Bo closes it",
        Closes("bo", JONAS),
        ("closed by bo, v5", "accepted: conversation.close"),
    ),
    Step(
        "Priya writes",
        Writes(PRIYA, "Could I have an invoice, please?"),
        (
            "created, v1",
            "message recorded v2",
            "notification to ana (desktop), bo (desktop, email): "
            '"Could I have an invoice, please?"',
        ),
    ),
    Step(
        "Ana closes Maria's conversation",
        Closes("ana", MARIA),
        ("closed by ana, v5", "accepted: conversation.close"),
    ),
    Step(
        "Maria writes again: it reopens by itself, and is Ana's as before",
        Writes(MARIA, "Fechado, quero o plano! 🎉"),
        (
            "message recorded v6",
            "reopened by a new message, v7",
            'notification to ana (desktop, email), cleo (desktop): "Fechado, quero o plano! 🎉"',
        ),
    ),
    Step(
        "Priya writes once more, at the moment when Bo closes her conversation",
        Writes(PRIYA, "To my company's address."),
        (
            "message recorded v3",
            'notification to ana (desktop), bo (desktop, email): "To my company\'s address."',
        ),
    ),
    Step(
        "Bo's close comes after the message that he has not seen",
        Closes("bo", PRIYA, before_last_message=True),
        (
            "rejected: superseded "
            "(conversation.close: the contact wrote after the close was issued)",
        ),
    ),
    Step(
        "Chen writes",
        Writes(CHEN, "你好, do you ship to Taipei?"),
        (
            "created, v1",
            "message recorded v2",
            'notification to ana (desktop), bo (desktop, email): "你好, do you ship to Taipei?"',
        ),
    ),
    Step(
        "Ana assigns Chen's conversation to Bo",
        Assigns("ana", CHEN, "bo"),
        (
            "assigned to bo by ana, v3",
            "notification to bo (desktop, email): assignment",
            "accepted: conversation.assign",
        ),
    ),
)
