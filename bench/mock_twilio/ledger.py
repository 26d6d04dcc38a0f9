"""The ledger: which requests came, which messages were accepted, which callbacks were posted."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from workers.dev.twilio_stand_in.messages import Message


class LedgerRequest(msgspec.Struct, kw_only=True, tag_field="event", tag="request"):
    """A request that was received."""

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
    """The fault that was applied to it, such as `drop after`."""


class LedgerAnswer(msgspec.Struct, kw_only=True, tag_field="event", tag="answer"):
    """How a request ended. Only the file has these: a request is written when it comes."""

    number: int
    status: int | None
    fault: str | None


class LedgerSend(msgspec.Struct, kw_only=True, tag_field="event", tag="send"):
    """A message that was accepted; written before its answer and its first callback."""

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


class LedgerCallback(msgspec.Struct, kw_only=True, tag_field="event", tag="callback"):
    """One POST of a status callback; written when it ended."""

    at: datetime
    sid: str
    url: str
    status: str
    error_code: int | None
    attempt: int
    """Counted from 1; more than 1 only with retries."""
    early: bool
    """Whether it was posted before the send was answered."""
    answer: int | None
    """The status of the answer; None when there was none."""
    error: str | None
    """Why there was no answer."""


Entry: TypeAlias = LedgerRequest | LedgerAnswer | LedgerSend | LedgerCallback


class MissedMessage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A contact's message that only the list has: no webhook was posted for it."""

    to: str
    from_: str = msgspec.field(name="from")
    body: str = ""
    media: list[str] = []
    """URLs."""
    content_type: str | None = None
    """Of all its files; without one it follows from their names."""
    date_sent: datetime | None = None
    """The present time, without one."""
    account_sid: str | None = None
    """The first account, without one."""


class Ledger(msgspec.Struct):
    """All entries, by kind."""

    requests: list[LedgerRequest] = []
    sends: list[LedgerSend] = []
    callbacks: list[LedgerCallback] = []
    pending: int = 0
    """How much is under way: messages whose callbacks are not all posted, a listener that will
    open again."""

    def callback_statuses(self, sid: str) -> list[str]:
        """Returns the statuses of a message's callbacks, in order, failed POSTs included."""
        return [callback.status for callback in self.callbacks if callback.sid == sid]

    @classmethod
    def read(cls, file: Path) -> "Ledger":
        """Read the lines of a file. A last line that its writer did not finish is left out."""
        ledger = cls()
        decoder = msgspec.json.Decoder(Entry)
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                ledger.add(decoder.decode(line))
        return ledger

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        match entry:
            case LedgerRequest():
                self.requests.append(entry)
            case LedgerAnswer():
                request = self.requests[entry.number]
                request.status, request.fault = entry.status, entry.fault
            case LedgerSend():
                self.sends.append(entry)
            case LedgerCallback():
                self.callbacks.append(entry)


class LedgerWriter:
    """Keeps a ledger. Each entry is in the file, if one is given, before the mock goes on."""

    def __init__(self, file: Path | None) -> None:
        self.ledger = Ledger()
        # Unbuffered: an entry can be read even if this process is killed right after it.
        self._file: BinaryIO | None = file.open("ab", buffering=0) if file else None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def add_request(
        self,
        *,
        route: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> int:
        """Add a request, and return its number."""
        number = len(self.ledger.requests)
        shown = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        self.add(
            LedgerRequest(
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

    def add_answer(self, number: int, status: int | None, fault: str | None) -> None:
        """Add how a request ended."""
        self.add(LedgerAnswer(number=number, status=status, fault=fault))

    def add_send(self, message: Message, request: int) -> None:
        """Add a message that was accepted."""
        self.add(
            LedgerSend(
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

    def add(self, entry: Entry) -> None:
        """Add an entry to the ledger and to the file."""
        self.ledger.add(entry)
        if self._file is not None:
            self._file.write(msgspec.json.encode(entry) + b"\n")
