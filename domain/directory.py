"""The users and channels of an account, and how the events of the directory change them."""

from functools import cached_property

import msgspec
from msgspec import Struct

from schemas.directory import (
    ChannelInstalled,
    ChannelRemoved,
    NotificationSettings,
    PartialSettings,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import AccountId, ChannelId, UserId
from schemas.notifications import Recipient


class User(Struct, frozen=True, kw_only=True):
    """A user of an account."""

    account_id: AccountId
    user_id: UserId
    name: str | None = None
    """None until `user.upserted` came. Availability and settings may come before it, from other
    services: they are kept, so that no order between the services is needed."""
    email: str | None = None
    inbox_access: bool = False
    available: bool = True
    settings: NotificationSettings = NotificationSettings()

    @property
    def known(self) -> bool:
        """Whether `user.upserted` came: only then the user exists for commands."""
        return self.name is not None

    @property
    def is_present(self) -> bool:
        """Known, and with inbox access. An assignee who is not present is gone."""
        return self.known and self.inbox_access


class Channel(Struct, frozen=True, kw_only=True):
    """An installed sender address."""

    account_id: AccountId
    channel_id: ChannelId
    provider: str
    address: str
    name: str
    installed_by: UserId
    removed: bool = False
    """A removed channel keeps its conversations, and who installed it."""
    provider_account_id: str | None = None
    """The provider's account that owns the address, if the installation named it."""
    webhook_account_id: str | None = None
    """The provider's account of the newest webhook to the address."""


class Directory:
    """The users of one account at one version of its directory. Immutable."""

    def __init__(self, account_id: AccountId, version: int, users: dict[UserId, User]) -> None:
        self.account_id = account_id
        self.version = version
        """Every change of the account's users raises it, so that a cache recognizes an old copy."""
        self._users = users

    def user(self, user_id: str) -> User | None:
        """Returns a known user of this account, or None."""
        user = self._users.get(UserId(user_id))
        return user if user is not None and user.known else None

    def is_gone(self, assignee_id: str | None) -> bool:
        """Whether there is an assignee, and they were removed or have no inbox access any more."""
        if assignee_id is None:
            return False
        user = self._users.get(UserId(assignee_id))
        return user is None or not user.is_present

    @cached_property
    def notifiable(self) -> tuple[User, ...]:
        """The users who may be notified at all, by id. Cached, since every message needs them."""
        present = (user for user in self._users.values() if user.is_present)
        return tuple(sorted(present, key=lambda user: user.user_id))

    @cached_property
    def audiences(self) -> dict[str | None, tuple[Recipient, ...]]:
        """The audiences computed so far, by assignee; domain.audience fills and clears it."""
        return {}

    def __len__(self) -> int:
        return len(self._users)


UserEvent = UserUpserted | UserRemoved | UserAvailabilityChanged | UserNotificationSettingsChanged
ChannelEvent = ChannelInstalled | ChannelRemoved


def decide_user(user: User | None, event: UserEvent) -> User | None:
    """Returns the user after an event of the directory; None for a removed user."""
    if isinstance(event, UserRemoved):
        return None
    before = user or User(account_id=event.account_id, user_id=event.user_id)
    if isinstance(event, UserUpserted):
        return msgspec.structs.replace(
            before, name=event.name, email=event.email, inbox_access=event.inbox_access
        )
    if isinstance(event, UserAvailabilityChanged):
        return msgspec.structs.replace(before, available=event.available)
    return msgspec.structs.replace(before, settings=_changed(before.settings, event.settings))


def _changed(settings: NotificationSettings, changes: PartialSettings) -> NotificationSettings:
    given = {
        name: medium
        for name, medium in msgspec.structs.asdict(changes).items()
        if medium is not None
    }
    return msgspec.structs.replace(settings, **given)


def decide_channel(channel: Channel | None, event: ChannelEvent) -> Channel | None:
    """Returns the channel after an event of the directory; None if it was never installed."""
    if isinstance(event, ChannelRemoved):
        return msgspec.structs.replace(channel, removed=True) if channel else None
    same_address = channel is not None and channel.address == event.address
    return Channel(
        account_id=event.account_id,
        channel_id=event.channel_id,
        provider=event.provider,
        address=event.address,
        name=event.name,
        installed_by=event.installed_by,
        provider_account_id=event.provider_account_id,
        webhook_account_id=channel.webhook_account_id if channel and same_address else None,
    )
