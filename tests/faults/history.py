"""The history of a run: what was requested, and how each request ended, as lines of JSON.

An operation without an end has an unknown outcome: the process that requested it may have died.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal[
    "message", "command", "reply", "note", "directory", "poison", "bad webhook"
]
OperationOutcome: TypeAlias = Literal["ok", "fail", "unknown"]


class OperationStart(msgspec.Struct, frozen=True, tag_field="phase", tag="invoke", kw_only=True):
    """Something was requested."""

    op: int
    at: float
    """Seconds since 1970."""
    kind: Kind
    via: str
    """The topic without its prefix, or `webhook`."""
    name: str
    """The provider's id of a message, the id of a command, or a name of its own."""
    contact: str = ""


class OperationEnd(msgspec.Struct, frozen=True, tag_field="phase", tag="end", kw_only=True):
    """How a request ended."""

    op: int
    at: float
    outcome: OperationOutcome
    detail: str = ""
    """The status of a webhook, the offset of a record, or the name of an error."""


Line: TypeAlias = OperationStart | OperationEnd
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Line).decode


class History:
    """Writes the lines as things happen."""

    def __init__(self, file: Path) -> None:
        self.file = file
        # Unbuffered: a line is in the file even if this process is killed right after it.
        self._file = file.open("ab", buffering=0)
        self._next = 0

    def start(self, kind: Kind, via: str, name: str, contact: str = "") -> int:
        """Write that something is requested, and return its number."""
        op, self._next = self._next, self._next + 1
        self._write(
            OperationStart(op=op, at=time.time(), kind=kind, via=via, name=name, contact=contact)
        )
        return op

    def end(self, op: int, outcome: OperationOutcome, detail: str = "") -> None:
        """Write how a request ended."""
        self._write(OperationEnd(op=op, at=time.time(), outcome=outcome, detail=detail))

    def _write(self, line: Line) -> None:
        self._file.write(_encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Operation(msgspec.Struct, frozen=True):
    """A request, and its outcome."""

    start: OperationStart
    outcome: OperationOutcome
    detail: str

    @property
    def may_have_happened(self) -> bool:
        """Whether it is not known to have failed."""
        return self.outcome != "fail"


def read(file: Path) -> Iterator[Operation]:
    """Returns the operations of a history, in the order in which they were requested."""
    ends: dict[int, OperationEnd] = {}
    starts: list[OperationStart] = []
    for text in file.read_bytes().splitlines():
        line = _decode(text)
        if isinstance(line, OperationStart):
            starts.append(line)
        else:
            ends[line.op] = line
    for start in starts:
        end = ends.get(start.op)
        yield Operation(start, end.outcome if end else "unknown", end.detail if end else "")
