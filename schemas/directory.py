"""The directory of an account: its users, their settings, and its channels."""

from msgspec import Struct

from schemas.fields import Channel, EventData, ExternalId, NonEmpty, User


class Medium(Struct, frozen=True):
    """By which media a user is told of one kind of notification."""

    desktop: bool
    email: bool


OFF, DESKTOP, BOTH = Medium(False, False), Medium(True, False), Medium(True, True)


class NotificationSettings(Struct, frozen=True):
    """A user's choice for each of the four kinds; the defaults are those of a new user."""

    assigned_to_me: Medium = BOTH
    assigned_to_others: Medium = OFF
    unassigned: Medium = DESKTOP
    assignment: Medium = BOTH


class UserUpserted(EventData, frozen=True, kw_only=True):
    """A user is new or changed. Availability and settings stay as they were."""

    TYPE = "inbox.user.upserted.v1"

    user_id: User
    name: str
    email: str
    inbox_access: bool


class UserRemoved(EventData, frozen=True, kw_only=True):
    """A user left the account."""

    TYPE = "inbox.user.removed.v1"

    user_id: User


class UserAvailabilityChanged(EventData, frozen=True, kw_only=True):
    """A user may, or may no longer, be assigned conversations."""

    TYPE = "inbox.user.availability_changed.v1"

    user_id: User
    available: bool


class PartialSettings(Struct, frozen=True):
    """The kinds that a user changed; those left out stay as they were."""

    assigned_to_me: Medium | None = None
    assigned_to_others: Medium | None = None
    unassigned: Medium | None = None
    assignment: Medium | None = None


class UserNotificationSettingsChanged(EventData, frozen=True, kw_only=True):
    """A user chose what to be told of."""

    TYPE = "inbox.user.notification_settings_changed.v1"

    user_id: User
    settings: PartialSettings


class ChannelInstalled(EventData, frozen=True, kw_only=True):
    """A sender address was connected to the inbox."""

    TYPE = "inbox.channel.installed.v1"

    channel_id: Channel
    provider: ExternalId
    address: NonEmpty
    name: str
    installed_by: User


class ChannelRemoved(EventData, frozen=True, kw_only=True):
    """A sender address was disconnected; its conversations stay."""

    TYPE = "inbox.channel.removed.v1"

    channel_id: Channel
