"""The ledger: what was asked, what was sent, and what was told, in order."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from workers.dev.twilio_stand_in.messages import Message


class Request(msgspec.Struct, kw_only=True, tag_field="event", tag="request"):
    """A request that was received, whatever became of it."""

    number: int
    at: datetime
    route: str
    """`send`, `list`, `fetch`, `media`, or `other`."""
    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Without credentials."""
    body: str
    status: int | None = None
    """Of the answer; None when there was none, or none yet."""
    fault: str | None = None
    """What went wrong with it, such as `drop after`."""


class Answer(msgspec.Struct, kw_only=True, tag_field="event", tag="answer"):
    """How a request ended; only in the file, since a request was written when it came."""

    number: int
    status: int | None
    fault: str | None


class Send(msgspec.Struct, kw_only=True, tag_field="event", tag="send"):
    """A message that was accepted; written before anything of it is answered or told."""

    request: int
    """The number of its request."""
    at: datetime
    sid: str
    account_sid: str
    to: str
    from_: str | None = msgspec.field(name="from")
    body: str
    media: list[str]
    content_sid: str | None
    content_variables: str | None
    messaging_service_sid: str | None
    status_callback: str | None
    raw: str
    """The body of the request."""


class Callback(msgspec.Struct, kw_only=True, tag_field="event", tag="callback"):
    """One attempt to tell a status, once it ended."""

    at: datetime
    sid: str
    url: str
    status: str
    error_code: int | None
    attempt: int
    """Counted from 1; more only with retries."""
    early: bool
    """Whether it was told before the send was answered."""
    answer: int | None
    """The status of the answer; None when there was none."""
    error: str | None
    """Why there was none."""


Entry: TypeAlias = Request | Answer | Send | Callback


class Planted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A contact's message, for the list alone: no webhook tells of it."""

    to: str
    from_: str = msgspec.field(name="from")
    body: str = ""
    media: list[str] = []
    """URLs."""
    content_type: str | None = None
    """Of all its files; without one it follows from their names."""
    date_sent: datetime | None = None
    """Now, without one."""
    account_sid: str | None = None
    """The first account, without one."""


class Ledger(msgspec.Struct):
    """All of it."""

    requests: list[Request] = []
    sends: list[Send] = []
    callbacks: list[Callback] = []
    pending: int = 0
    """How much is under way: messages that are told of, a listener that opens again."""

    def told(self, sid: str) -> list[str]:
        """The states that were told of a message, in order, attempts that failed too."""
        return [callback.status for callback in self.callbacks if callback.sid == sid]

    @classmethod
    def read(cls, file: Path) -> "Ledger":
        """From the lines of a file; without the last one when its writer died within it."""
        ledger = cls()
        decoder = msgspec.json.Decoder(Entry)
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                ledger.add(decoder.decode(line))
        return ledger

    def add(self, entry: Entry) -> None:
        """Enter one."""
        match entry:
            case Request():
                self.requests.append(entry)
            case Answer():
                request = self.requests[entry.number]
                request.status, request.fault = entry.status, entry.fault
            case Send():
                self.sends.append(entry)
            case Callback():
                self.callbacks.append(entry)


class Book:
    """Keeps a ledger, and writes each entry to a file, if one is given, before going on."""

    def __init__(self, file: Path | None) -> None:
        self.ledger = Ledger()
        # Unbuffered: what is entered can be read by others even when this process is killed next.
        self._file: BinaryIO | None = file.open("ab", buffering=0) if file else None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def received(
        self,
        *,
        route: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> int:
        """Enter a request; its number."""
        number = len(self.ledger.requests)
        shown = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        self._enter(
            Request(
                number=number,
                at=datetime.now(UTC),
                route=route,
                method=method,
                path=path,
                query=query,
                headers=shown,
                body=body.decode(errors="replace"),
            )
        )
        return number

    def answered(self, number: int, status: int | None, fault: str | None) -> None:
        """Enter how a request ended."""
        self._enter(Answer(number=number, status=status, fault=fault))

    def sent(self, message: Message, request: int) -> None:
        """Enter a message that is accepted."""
        self._enter(
            Send(
                request=request,
                at=datetime.now(UTC),
                sid=message.sid,
                account_sid=message.account_sid,
                to=message.to,
                from_=message.from_,
                body=message.body,
                media=[media.url for media in message.media],
                content_sid=message.content_sid,
                content_variables=message.content_variables,
                messaging_service_sid=message.messaging_service_sid,
                status_callback=message.status_callback,
                raw=self.ledger.requests[request].body,
            )
        )

    def told(self, callback: Callback) -> None:
        """Enter an attempt to tell a status."""
        self._enter(callback)

    def _enter(self, entry: Entry) -> None:
        self.ledger.add(entry)
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")
