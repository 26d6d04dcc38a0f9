"""Server-Sent Events as bytes (HTML Living Standard, section 9.2), and as chunks of HTTP/1.1."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workers.api.encoding import encode

END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Payload:
    """Some events, framed once for all streams that get the same ones."""

    plain: bytes
    chunk: bytes
    """As one chunk of HTTP/1.1."""


def payload(frames: Iterable[bytes]) -> Payload:
    """Returns frames to be sent together."""
    plain = b"".join(frames)
    return Payload(plain, b"%x\r\n%b\r\n" % (len(plain), plain))


def frame(name: str, id_: str, data: Any) -> bytes:
    """Returns an event. JSON has no line breaks, so `data` is one line."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id_.encode(), name.encode(), encode(data))


def retry(milliseconds: int) -> bytes:
    """Returns how long a client is to wait before it connects again."""
    return b"retry: %d\n\n" % milliseconds


HEARTBEAT = payload([b":\n\n"])
"""A comment: it keeps proxies from closing an idle connection, and finds out that it is dead."""
