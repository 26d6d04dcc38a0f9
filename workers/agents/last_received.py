"""When a message of a contact was last recorded on each channel, to within some seconds."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from db.connect import AnyConnection
from db.directory import ChannelKey, save_last_received
from domain.outgoing import Message
from schemas.fields import ChannelId, MessageId

EVERY = timedelta(seconds=5)
"""A worker writes the time of a channel at most so often: the time may be older by as much."""

CHANNELS_MAX = 10_000
"""The limit of channels that are remembered, about 3 MB. Then all are forgotten, and the time of
each is written once more."""


class _Written(NamedTuple):
    """When a channel's time was last written, and for which message."""

    at: datetime
    message_id: MessageId


class LastReceived:
    """Writes the times of all channels, for all batches of one worker."""

    def __init__(self) -> None:
        self._written: dict[ChannelKey, _Written] = {}

    async def save(
        self, connection: AnyConnection, messages: Iterable[Message], now: datetime
    ) -> None:
        """Write `now` for the channels of new messages of contacts. Historical ones do not count.

        A channel that another transaction has locked is passed over: most likely, another worker
        writes nearly the same time. So nothing ever waits here.
        """
        due: dict[ChannelKey, MessageId] = {}
        for message in messages:
            key = (message.account_id, ChannelId(message.channel_id))
            if not message.historical and self._is_due(key, message.message_id, now):
                due[key] = message.message_id
        if not due:
            return
        await save_last_received(connection, due, now)
        if len(self._written) + len(due) > CHANNELS_MAX:
            self._written.clear()
        self._written |= {key: _Written(now, message_id) for key, message_id in due.items()}

    def _is_due(self, key: ChannelKey, message_id: MessageId, now: datetime) -> bool:
        written = self._written.get(key)
        # A message that is new for the second time shows that its transaction was rolled back.
        return written is None or now - written.at >= EVERY or message_id == written.message_id
