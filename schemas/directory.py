"""The directory of an account: its users, their settings, and its channels."""

from msgspec import Struct

from schemas.fields import Channel, EventData, ExternalId, NonEmpty, User


class Medium(Struct, frozen=True):
    """The media on which a user gets one kind of notification."""

    desktop: bool
    email: bool


OFF, DESKTOP, BOTH = Medium(False, False), Medium(True, False), Medium(True, True)


class NotificationSettings(Struct, frozen=True):
    """The media that a user chose for each of the four kinds. The defaults are for a new user."""

    assigned_to_me: Medium = BOTH
    assigned_to_others: Medium = OFF
    unassigned: Medium = DESKTOP
    assignment: Medium = BOTH


class UserUpserted(EventData, frozen=True, kw_only=True):
    """A user is new or was changed. Availability and settings stay as they were."""

    TYPE = "inbox.user.upserted.v1"

    user_id: User
    name: str
    email: str
    inbox_access: bool


class UserRemoved(EventData, frozen=True, kw_only=True):
    """A user was removed from the account."""

    TYPE = "inbox.user.removed.v1"

    user_id: User


class UserAvailabilityChanged(EventData, frozen=True, kw_only=True):
    """A user may, or may no longer, be assigned conversations."""

    TYPE = "inbox.user.availability_changed.v1"

    user_id: User
    available: bool


class PartialSettings(Struct, frozen=True):
    """The kinds that a user changed. The missing kinds stay as they were."""

    assigned_to_me: Medium | None = None
    assigned_to_others: Medium | None = None
    unassigned: Medium | None = None
    assignment: Medium | None = None


class UserNotificationSettingsChanged(EventData, frozen=True, kw_only=True):
    """A user changed which notifications they get, and on which media."""

    TYPE = "inbox.user.notification_settings_changed.v1"

    user_id: User
    settings: PartialSettings


class ChannelInstalled(EventData, frozen=True, kw_only=True):
    """A channel, a sender address, was connected to the inbox."""

    TYPE = "inbox.channel.installed.v1"

    channel_id: Channel
    provider: ExternalId
    address: NonEmpty
    name: str
    installed_by: User
    provider_account_id: ExternalId | None = None
    """The provider's account that owns the address, such as Twilio's AccountSid. Replies go out
    through it. Null: through the account that the newest webhook to the channel came from."""


class ChannelRemoved(EventData, frozen=True, kw_only=True):
    """A channel was disconnected. Its conversations stay."""

    TYPE = "inbox.channel.removed.v1"

    channel_id: Channel
