"""The directory of the day's account: publishes its users and channel, and waits for them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from db.connect import AnyConnection
from db.directory import channel_by_address, users_of_accounts
from domain.directory import User
from schemas.directory import (
    ChannelInstalled,
    PartialSettings,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserUpserted,
)
from schemas.fields import EventData, UserId
from workers.dev.sales_day.applied import until_applied
from workers.dev.sales_day.story import ACCOUNT, CHANNEL, SENDER, USERS
from workers.kafka.publisher import Publisher


class AccountDirectory:
    """The directory of the day's account."""

    def __init__(
        self, publisher: Publisher, connection: AnyConnection, check: Callable[[], None]
    ) -> None:
        self._publisher = publisher
        self._connection = connection
        self._check = check

    async def seed(self) -> None:
        """Create the users and their channel, or restore them to their state of the first day."""
        now = datetime.now(UTC)
        for event in _seeds():
            await self._publisher.publish(event, now)
        await until_applied(self._is_seeded, "the directory", self._check)

    async def leave(self, user_id: str) -> None:
        """Make a user unavailable, and wait until that is applied."""
        event = UserAvailabilityChanged(
            account_id=ACCOUNT, user_id=UserId(user_id), available=False
        )
        await self._publisher.publish(event, datetime.now(UTC))

        async def has_left() -> bool:
            users = await users_of_accounts(self._connection, [ACCOUNT])
            return any(user.user_id == user_id and not user.available for user in users)

        await until_applied(has_left, "a user's availability", self._check)

    async def _is_seeded(self) -> bool:
        users = await users_of_accounts(self._connection, [ACCOUNT])
        channel_id = await channel_by_address(self._connection, ACCOUNT, SENDER)
        return all(user in users for user in USERS) and channel_id == CHANNEL


def _seeds() -> Iterator[EventData]:
    for user in USERS:
        yield from _user_events(user)
    yield ChannelInstalled(
        account_id=ACCOUNT,
        channel_id=CHANNEL,
        provider="whatsapp",
        address=SENDER,
        name="Sales",
        installed_by=USERS[0].user_id,
    )


def _user_events(user: User) -> Iterator[EventData]:
    account_id, user_id = user.account_id, user.user_id
    yield UserUpserted(
        account_id=account_id,
        user_id=user_id,
        name=user.name or "",
        email=user.email or "",
        inbox_access=user.inbox_access,
    )
    yield UserAvailabilityChanged(account_id=account_id, user_id=user_id, available=user.available)
    yield UserNotificationSettingsChanged(
        account_id=account_id,
        user_id=user_id,
        settings=PartialSettings(**msgspec.structs.asdict(user.settings)),
    )
