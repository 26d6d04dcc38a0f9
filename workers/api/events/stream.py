"""One client's stream: it is written to without waiting, and ended if it does not read."""

import asyncio
from datetime import datetime
from time import monotonic
from typing import Literal

from workers.api.caller import Caller
from workers.api.events.frames import END_OF_CHUNKS, WAITING_BYTES_MAX, Payload

EndReason = Literal["gone", "slow", "stopped", "expired", "no_access"]
"""Why a stream ended: its client is gone, does not read, this process stops, the token has expired,
the user has no inbox access any more."""


class Stream:
    """The stream of one client, once the head of its response is sent."""

    __slots__ = (
        "_is_chunked",
        "_transport",
        "account_id",
        "ended",
        "expires_at",
        "user_id",
        "written_at",
    )

    def __init__(self, caller: Caller, transport: asyncio.Transport, *, is_chunked: bool) -> None:
        """`is_chunked` is whether the response has chunks, as one of HTTP/1.1 has."""
        self.account_id = caller.account_id
        self.user_id = caller.user_id
        self.expires_at: datetime | None = caller.identity.expires_at
        self.ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self.written_at = monotonic()
        self._transport = transport
        self._is_chunked = is_chunked

    @property
    def is_open(self) -> bool:
        """Whether it has not ended. One whose client is gone ends here."""
        if self._transport.is_closing():
            self._end("gone")
        return not self.ended.done()

    def send(self, payload: Payload) -> None:
        """Send, without waiting for the client. A stream that has ended is left as it is."""
        if not self.is_open:
            return
        if self._transport.get_write_buffer_size() + len(payload.plain) > WAITING_BYTES_MAX:
            self._transport.abort()
            self._end("slow")
            return
        self._transport.write(payload.chunk if self._is_chunked else payload.plain)
        self.written_at = monotonic()

    def end(self, reason: EndReason, last: Payload | None = None) -> None:
        """End it, after what was sent before and a last payload."""
        if not self.is_open:
            return
        if last is not None:
            self.send(last)
        if self.is_open:
            if self._is_chunked:
                self._transport.write(END_OF_CHUNKS)
            self._transport.close()
            self._end(reason)

    def _end(self, reason: EndReason) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
