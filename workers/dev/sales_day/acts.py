"""The acts of the sales day: each class is one thing that a person or a service does."""

from typing import NamedTuple

from schemas.links import Entity, EntityType


class Writes(NamedTuple):
    """A contact writes on WhatsApp."""

    contact: str
    body: str
    picture: bool = False


class Repeats(NamedTuple):
    """Twilio posts a contact's last message again."""

    contact: str


class Forges(NamedTuple):
    """Somebody posts a message without knowing the secret that signs it."""

    contact: str


class Imports(NamedTuple):
    """An importer publishes a message that a contact wrote two days ago."""

    contact: str
    body: str


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
    """The close is issued before the contact's last message, and published after it."""


class Deletes(NamedTuple):
    """A user deletes a contact's conversation."""

    actor_id: str
    contact: str


class Requests(NamedTuple):
    """A user requests a new entity of the CRM."""

    actor_id: str
    contact: str
    entity_type: EntityType
    name: str


class Links(NamedTuple):
    """A contact's conversation is linked to an entity of the CRM."""

    actor_id: str
    contact: str
    entity: Entity
    answers: bool = False
    """The link is the CRM's answer to the last request of the conversation."""
    two_days_ago: bool = False
    """The link was issued two days ago, and is published now."""


class Replies(NamedTuple):
    """A user replies to a contact."""

    actor_id: str
    contact: str
    body: str


class Edits(NamedTuple):
    """Somebody edits the newest note of a contact's conversation in the CRM."""

    contact: str


class Leaves(NamedTuple):
    """A user becomes unavailable."""

    user_id: str


UserCommand = Assigns | Closes | Deletes | Requests | Links | Replies
"""The acts that are commands."""

Act = Writes | Repeats | Forges | Imports | Edits | Leaves | UserCommand
