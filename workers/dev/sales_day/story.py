"""The story of the sales day: who does what, and exactly which events the inbox must publish.

Ana, Bo and Cleo are the sales team. Ana installed their channel, and keeps the default settings.
Bo also wants e-mail about unassigned conversations. Cleo wants no notifications about those, but
desktop notifications about conversations that are assigned to others.
"""

from typing import NamedTuple

from domain.directory import User
from schemas.directory import BOTH, DESKTOP, OFF, NotificationSettings
from schemas.fields import AccountId, ChannelId, UserId
from schemas.links import Entity
from workers.dev.sales_day.acts import (
    Act,
    Assigns,
    Closes,
    Deletes,
    Edits,
    Forges,
    Imports,
    Leaves,
    Links,
    Repeats,
    Replies,
    Requests,
    Writes,
)

ACCOUNT, CHANNEL = AccountId("acme"), ChannelId("whatsapp-sales")
ACCOUNT_SID = "AC" + "de" * 16
SENDER = "whatsapp:+14155238886"
"""The account's own number, to which contacts write."""

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
"""The user whose sections of the inbox the summary counts."""

MARIA, JONAS, PRIYA, CHEN = CONTACTS = ("Maria Souza", "Jonas Weber", "Priya Nair", "Chen Wei")


DEAL, LEAD = Entity("deal", "4711"), Entity("lead", "17")
"""The entities of the CRM."""


class Step(NamedTuple):
    """One act, and the phrase of each event that it must cause, as `inbox watch` prints it.

    Ids of notes and replies differ from day to day. Phrases have a number in their place: `#1` is
    the first note or reply of the conversation, `#2` the next.
    """

    title: str
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
        "Ana asks the CRM for a deal with Maria",
        Requests("ana", MARIA, "deal", "Annual plan"),
        ('deal "Annual plan" requested by ana, v5', "accepted: entity.request"),
    ),
    Step(
        "The CRM makes one and answers with a link: a note starts on it, with all so far",
        Links("ana", MARIA, DEAL, answers=True),
        (
            "linked to deal 4711 by ana, v6",
            "note #1 on deal 4711 created, r1: 2 messages",
            "accepted: conversation.link",
        ),
    ),
    Step(
        "Ana replies, which joins the note: a stand-in for Twilio takes it, and reports the rest",
        Replies("ana", MARIA, "49 € por mês, com 10 % de desconto."),
        (
            "reply recorded v7",
            "note #1 on deal 4711 appended, r2: 1 message",
            "accepted: message.send",
            "reply #1 accepted by the provider",
            "reply #1 moved on: sent",
            "reply #1 moved on: delivered",
            "reply #1 moved on: read",
        ),
    ),
    Step(
        "Ana closes Maria's conversation",
        Closes("ana", MARIA),
        ("closed by ana, v8", "accepted: conversation.close"),
    ),
    Step(
        "Maria writes again: it reopens by itself, is Ana's as before, and the note goes on",
        Writes(MARIA, "Fechado, quero o plano! 🎉"),
        (
            "message recorded v9",
            "reopened by a new message, v10",
            'notification to ana (desktop, email), cleo (desktop): "Fechado, quero o plano! 🎉"',
            "note #1 on deal 4711 appended, r3: 1 message",
        ),
    ),
    Step("Ana edits that note in the CRM: the inbox never touches it again", Edits(MARIA)),
    Step(
        "So Maria's next message starts a new one",
        Writes(MARIA, "Quando começa?"),
        (
            "message recorded v11",
            'notification to ana (desktop, email), cleo (desktop): "Quando começa?"',
            "note #2 on deal 4711 created, r1: 1 message",
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
        "An importer brings what Chen wrote two days ago: nobody is notified",
        Imports(CHEN, "你好, may I come by on Monday?"),
        ("created, v1", "historical message recorded v2"),
    ),
    Step(
        "Bo replies to that: WhatsApp takes free texts for 24 hours only",
        Replies("bo", CHEN, "On Monday we are open from 9 to 6."),
        (
            "rejected: window_closed "
            "(message.send: the contact's window is closed: only a template can be sent)",
        ),
    ),
    Step(
        "It brings the link to a lead that Bo made then: a note starts, at that time",
        Links("bo", CHEN, LEAD, two_days_ago=True),
        (
            "linked to lead 17 by bo, v3",
            "note #1 on lead 17 created, r1: 1 message",
            "accepted: conversation.link",
        ),
    ),
    Step(
        "Chen writes today, when the 24 hours of that note are over: the next one starts",
        Writes(CHEN, "你好, do you ship to Taipei?"),
        (
            "message recorded v4",
            'notification to ana (desktop), bo (desktop, email): "你好, do you ship to Taipei?"',
            "note #2 on lead 17 created, r1: 1 message",
        ),
    ),
    Step(
        "Ana assigns Chen's conversation to Bo",
        Assigns("ana", CHEN, "bo"),
        (
            "assigned to bo by ana, v5",
            "notification to bo (desktop, email): assignment",
            "accepted: conversation.assign",
        ),
    ),
    Step(
        "Jonas asks to be forgotten: Bo may not delete, he did not install the channel",
        Deletes("bo", JONAS),
        (
            "rejected: not_installer "
            "(conversation.delete: user bo did not install channel whatsapp-sales)",
        ),
    ),
    Step(
        "Ana did: she deletes Jonas's conversation for good",
        Deletes("ana", JONAS),
        ("deleted by ana, v6", "accepted: conversation.delete"),
    ),
)
