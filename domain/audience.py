"""Which users are notified, and of what: exactly those whose settings ask for it."""

from collections.abc import Iterator

from domain.conversation import Conversation
from domain.directory import Directory, User
from domain.graphemes import is_blank, shorten
from domain.outgoing import Outgoing
from schemas.context_text import context_lines
from schemas.directory import Medium
from schemas.fields import MessageId
from schemas.ids import emitted_event_id
from schemas.message_context import MessageContext
from schemas.messages import Media
from schemas.notifications import (
    PREVIEW_CHARACTERS_MAX,
    RECIPIENTS_MAX,
    MediumName,
    MessagePreview,
    NotificationKind,
    NotificationRequested,
    Recipient,
    RecipientReason,
)

KEPT_RECIPIENTS_MAX = 50_000
"""Recipients that one account's directory may keep. They are kept since the messages of an account
need the same few lists again and again."""

_MEDIA: dict[tuple[bool, bool], tuple[MediumName, ...]] = {
    (False, False): (),
    (True, False): ("desktop",),
    (False, True): ("email",),
    (True, True): ("desktop", "email"),
}


def message_audience(conversation: Conversation, directory: Directory) -> tuple[Recipient, ...]:
    """Returns the recipients of a contact's new message, by user id, each with the reason.

    A conversation whose assignee is gone counts as unassigned.
    """
    assignee_id = conversation.assignee_id
    if directory.is_gone(assignee_id):
        assignee_id = None
    kept = directory.audiences
    if assignee_id not in kept:
        if len(kept) * len(directory) > KEPT_RECIPIENTS_MAX:
            kept.clear()
        kept[assignee_id] = _message_audience(assignee_id, directory)
    return kept[assignee_id]


def _message_audience(assignee_id: str | None, directory: Directory) -> tuple[Recipient, ...]:
    if assignee_id is None:
        return _recipients(
            (user, "unassigned", user.settings.unassigned) for user in directory.notifiable
        )
    return _recipients(
        (user, "assigned_to_me", user.settings.assigned_to_me)
        if user.user_id == assignee_id
        else (user, "assigned_to_others", user.settings.assigned_to_others)
        for user in directory.notifiable
    )


def assignment_audience(
    assignee_id: str, actor_id: str, directory: Directory
) -> tuple[Recipient, ...]:
    """Returns the recipients of an assignment: the assignee, unless they made it themselves."""
    if assignee_id == actor_id:
        return ()
    return _recipients(
        (user, "assignment", user.settings.assignment)
        for user in directory.notifiable
        if user.user_id == assignee_id
    )


def _recipients(
    choices: Iterator[tuple[User, RecipientReason, Medium]],
) -> tuple[Recipient, ...]:
    return tuple(
        Recipient(user.user_id, reason, media)
        for user, reason, medium in choices
        if (media := _MEDIA[medium.desktop, medium.email])
    )


def preview(body: str, media: tuple[Media, ...], context: MessageContext | None = None) -> str:
    """Returns the start of a message's text.

    If nothing of that can be seen, these are the content types of its files, or else what it is
    about. Only one character more is read than a preview shows: callers may pass so much alone.
    """
    unseen = is_blank(body[:PREVIEW_CHARACTERS_MAX])
    text = ", ".join(item.content_type for item in media) if unseen else body
    if not text and context is not None:
        text = "; ".join(line.text for line in context_lines(context, ""))
    return shorten(text, PREVIEW_CHARACTERS_MAX)


def notifications(
    conversation: Conversation,
    recipients: tuple[Recipient, ...],
    *,
    kind: NotificationKind,
    cause_id: str,
    app_url: str,
    message: tuple[MessageId, str] | None = None,
) -> tuple[Outgoing, ...]:
    """Returns the notification events of one cause, each of at most 500 recipients.

    There are none without recipients. `message` is the id of a message and its preview.
    """
    parts = -(-len(recipients) // RECIPIENTS_MAX)
    about = MessagePreview(*message) if message else None
    return tuple(
        Outgoing(
            emitted_event_id(
                cause_id,
                conversation.account_id,
                conversation.conversation_id,
                NotificationRequested.TYPE,
                conversation.version,
                part=part,
            ),
            cause_id,
            NotificationRequested(
                account_id=conversation.account_id,
                conversation_id=conversation.conversation_id,
                version=conversation.version,
                kind=kind,
                recipients=recipients[(part - 1) * RECIPIENTS_MAX : part * RECIPIENTS_MAX],
                contact_name=conversation.contact_name,
                message=about,
                inbox_url=f"{app_url}/conversations/{conversation.conversation_id}",
                part=part,
                parts=parts,
            ),
        )
        for part in range(1, parts + 1)
    )
