"""Finds messages of contacts that Twilio has and the inbox lacks, and publishes them.

The event of a message has the id that its webhook would give it. So the message is recorded once,
however often it is published, even if its webhook still arrives.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import aiohttp
from msgspec.structs import replace
from multidict import MultiDict

from db.connect import AnyConnection
from db.messages import recorded_messages
from domain.directory import Channel
from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, ChannelId
from schemas.ids import inbound_message_id
from workers.kafka.publisher import Publisher
from workers.process.errors import CommandFailed
from workers.twilio.client import PAGE_MESSAGES, Twilio, TwilioMedia, TwilioMessage
from workers.twilio.form import BadForm
from workers.twilio.http import BadAnswer
from workers.twilio.inbound_form import received_event

SOURCE = "/inbox/reconcile"
"""The CloudEvents source of the events that it publishes."""

SETTLED = timedelta(minutes=1)
"""A younger message is left alone: its webhook may still be on its way."""


class Target(NamedTuple):
    """A channel that gets the messages to its address."""

    channel: Channel
    others: tuple[ChannelId, ...]
    """All other channels of the account: one of them may have had its address before."""

    @property
    def name(self) -> str:
        """The channel as people read it."""
        return f"{self.channel.account_id}/{self.channel.channel_id}"


@dataclass(slots=True)
class Count:
    """How many messages were listed, and what became of them."""

    listed: int = 0
    """Messages that Twilio has, from the requested time on."""
    recorded: int = 0
    """Listed messages that the inbox has, or that were deleted lately."""
    published: int = 0
    left_alone: int = 0
    """Listed messages that are too new."""
    unusable: int = 0
    """Listed messages of which no event can be made."""
    oldest: datetime | None = None
    """All messages from this time on are done. Lists have the newest first."""

    def add(self, other: "Count") -> None:
        """Add the numbers of another count; `oldest` stays."""
        self.listed += other.listed
        self.recorded += other.recorded
        self.published += other.published
        self.left_alone += other.left_alone
        self.unusable += other.unusable


def targets(channels: Sequence[Channel]) -> list[Target]:
    """Those of an account's channels that get messages, by id.

    `channels` are all that the account has. Of several with one address the first one counts.
    """
    first: dict[str, Channel] = {}
    for channel in channels:
        if not channel.removed:
            first.setdefault(channel.address, channel)
    return [
        Target(channel, tuple(each.channel_id for each in channels if each is not channel))
        for channel in sorted(first.values(), key=lambda channel: channel.channel_id)
    ]


def event_of(
    message: TwilioMessage,
    media: Iterable[TwilioMedia],
    account_id: AccountId,
    channel_id: ChannelId,
) -> CloudEvent:
    """The event of a message. Raises BadForm.

    It is made like the event of the message's webhook, from the fields that the list has.
    """
    form = MultiDict(
        MessageSid=message.sid,
        From=_readable(message.from_address),
        To=_readable(message.to_address),
        Body=_readable(message.body),
        NumMedia=str(message.media_count),
    )
    for index, file in enumerate(media):
        form[f"MediaUrl{index}"] = _readable(file.url)
        form[f"MediaContentType{index}"] = _readable(file.content_type)
    event = received_event(form, account_id, channel_id, _sent_at(message))
    return replace(event, source=SOURCE)


def _readable(text: str) -> str:
    """A text of JSON without lone surrogates, as if it were read from a form's bytes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _sent_at(message: TwilioMessage) -> datetime:
    return message.sent_at or message.created_at


class Reconciler:
    """Publishes missing messages, page by page."""

    def __init__(
        self,
        connection: AnyConnection,
        twilios: Mapping[AccountId, Mapping[str, Twilio]],
        publisher: Publisher | None,
        *,
        since: datetime,
        historical: bool,
        report: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._twilios = twilios
        """By account: its accounts at Twilio, by AccountSid."""
        self._publisher = publisher
        """None: messages are only counted, not published."""
        self._since = since.astimezone(UTC)
        self._until = datetime.now(UTC) - SETTLED
        self._historical = historical
        self._report = report
        """Called with a line about each message of which no event can be made."""

    async def reconcile(self, target: Target, count: Count) -> None:
        """Publish a channel's missing messages, and keep `count` up to date meanwhile.

        Raises CommandFailed when Twilio does not answer as it should, KafkaError and asyncpg's
        errors.
        """
        for sid, twilio in self._twilios[target.channel.account_id].items():
            async for page in self._pages(sid, twilio, target.channel):
                await self._reconcile(sid, twilio, target, page, count)

    async def _pages(
        self, sid: str, twilio: Twilio, channel: Channel
    ) -> AsyncIterator[list[TwilioMessage]]:
        """Yield the messages of contacts to a channel, some at a time, the newest first."""
        page: list[TwilioMessage] = []
        with _failing(sid):
            async for message in twilio.messages(
                channel.account_id, to_address=channel.address, since=self._since
            ):
                # Twilio filters by day only, and lists what we sent to numbers of our own, too.
                if (
                    message.direction == "inbound"
                    and message.to_address == channel.address
                    and _sent_at(message) >= self._since
                ):
                    page.append(message)
                if len(page) >= PAGE_MESSAGES:
                    yield page
                    page = []
        yield page

    async def _reconcile(
        self, sid: str, twilio: Twilio, target: Target, page: list[TwilioMessage], count: Count
    ) -> None:
        settled = [message for message in page if _sent_at(message) <= self._until]
        count.listed += len(page)
        count.left_alone += len(page) - len(settled)
        recorded = await self._recorded(target, [message.sid for message in settled])
        count.recorded += len(recorded)
        # The oldest first, in the order of the conversation.
        for message in reversed(settled):
            if message.sid not in recorded:
                if await self._publish(sid, twilio, target, message):
                    count.published += 1
                else:
                    count.unusable += 1
        if page:
            count.oldest = _sent_at(page[-1])

    async def _recorded(self, target: Target, sids: Sequence[str]) -> set[str]:
        """Those of some messages that are recorded, or were deleted lately, on any channel.

        A message belongs to the channel that had its address when it came.
        """
        account_id = target.channel.account_id
        found: set[str] = set()
        for channel_id in (target.channel.channel_id, *target.others):
            missing = [sid for sid in sids if sid not in found]
            keys = {
                (account_id, inbound_message_id(account_id, channel_id, sid)): sid
                for sid in missing
            }
            recorded = await recorded_messages(self._connection, list(keys), "inbound")
            found |= {keys[key] for key in recorded}
        return found

    async def _publish(
        self, sid: str, twilio: Twilio, target: Target, message: TwilioMessage
    ) -> bool:
        """Publish a message; False when no event can be made of it."""
        account_id, channel_id = target.channel.account_id, target.channel.channel_id
        media: Sequence[TwilioMedia] = ()
        if message.media_count:
            with _failing(sid):
                media = await twilio.media(account_id, message.sid)
        try:
            event = event_of(message, media, account_id, channel_id)
        except BadForm as error:
            self._report(f"{target.name}: {message.sid} cannot be published: {error}")
            return False
        if self._historical:
            event = replace(event, data=replace(event.data, historical=True))
        if self._publisher is not None:
            await self._publisher.publish_event(event)
        return True


@contextmanager
def _failing(sid: str) -> Iterator[None]:
    """Turn every failure of a request to Twilio into CommandFailed."""
    try:
        yield
    except BadAnswer as error:
        if error.status == 401:
            raise CommandFailed(f"Twilio refuses the auth_token of {sid}") from error
        answer = f"{error.status}" if error.status is not None else f"what makes no sense: {error}"
        raise CommandFailed(f"Twilio answers for {sid} {answer}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise CommandFailed(f"Twilio does not answer for {sid}: {reason}") from error
    except ValueError as error:
        raise CommandFailed(f"Twilio answers for {sid} what makes no sense: {error}") from error
