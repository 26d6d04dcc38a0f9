"""What the load asked for and what it was told, as lines of JSON: invoke, then ok, fail or unknown.

An operation without an outcome is of unknown outcome: whoever asked may have died.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["message", "command", "reply", "note", "directory", "poison", "hostile"]
Outcome: TypeAlias = Literal["ok", "fail", "unknown"]


class Invoked(msgspec.Struct, frozen=True, tag_field="phase", tag="invoke", kw_only=True):
    """Something was asked for."""

    op: int
    at: float
    """Seconds since 1970."""
    kind: Kind
    via: str
    """The topic without its prefix, or `webhook`."""
    name: str
    """The id: the provider's of a message, a command's, or what tells poison apart."""
    contact: str = ""


class Ended(msgspec.Struct, frozen=True, tag_field="phase", tag="end", kw_only=True):
    """How it ended."""

    op: int
    at: float
    outcome: Outcome
    detail: str = ""
    """The status of a webhook, the offset of a record, or the name of an error."""


Line: TypeAlias = Invoked | Ended
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Line).decode


class History:
    """Writes the lines as things happen."""

    def __init__(self, file: Path) -> None:
        self.file = file
        # Unbuffered: it is there whatever becomes of this process.
        self._file = file.open("ab", buffering=0)
        self._next = 0
        self.open = 0
        """Operations under way."""

    def invoke(self, kind: Kind, via: str, name: str, contact: str = "") -> int:
        """Write that something is asked for; its number."""
        op, self._next = self._next, self._next + 1
        self.open += 1
        line = Invoked(op=op, at=time.time(), kind=kind, via=via, name=name, contact=contact)
        self._file.write(_encode(line) + b"\n")
        return op

    def end(self, op: int, outcome: Outcome, detail: str = "") -> None:
        """Write how it ended."""
        self.open -= 1
        line = Ended(op=op, at=time.time(), outcome=outcome, detail=detail)
        self._file.write(_encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Operation(msgspec.Struct, frozen=True):
    """An operation as the history tells it."""

    invoked: Invoked
    outcome: Outcome
    detail: str

    @property
    def may_have_happened(self) -> bool:
        """Whether it is not known to have failed."""
        return self.outcome != "fail"


def read(file: Path) -> Iterator[Operation]:
    """The operations of a history, in the order of asking."""
    ended: dict[int, Ended] = {}
    invoked: list[Invoked] = []
    for text in file.read_bytes().splitlines():
        line = _decode(text)
        if isinstance(line, Invoked):
            invoked.append(line)
        else:
            ended[line.op] = line
    for each in invoked:
        end = ended.get(each.op)
        yield Operation(each, end.outcome if end else "unknown", end.detail if end else "")
