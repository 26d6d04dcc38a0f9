"""Links between conversations and the persons, leads and deals of the CRM."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from schemas.fields import Command, ExternalId, NonEmpty

EntityType = Literal["person", "lead", "deal"]


class Entity(Struct, frozen=True):
    """A person, a lead or a deal in the CRM."""

    type: EntityType
    id: ExternalId


class RequestedEntity(Struct, frozen=True):
    """An entity for the CRM to create."""

    type: EntityType
    name: NonEmpty
    fields: dict[str, Any] | UnsetType = UNSET


class ConversationLink(Command, frozen=True, kw_only=True):
    """Link a conversation to an entity. With `request_id` it is the CRM's answer to a request."""

    TYPE = "inbox.conversation.link.v1"

    entity: Entity
    request_id: ExternalId | None = None


class ConversationUnlink(Command, frozen=True, kw_only=True):
    """Remove a link."""

    TYPE = "inbox.conversation.unlink.v1"

    entity: Entity


class EntityRequest(Command, frozen=True, kw_only=True):
    """Request the CRM to create an entity and link it."""

    TYPE = "inbox.entity.request.v1"

    entity: RequestedEntity
    request_id: ExternalId | None = None
