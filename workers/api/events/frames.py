"""Server-Sent Events as bytes (HTML Living Standard, section 9.2), and as chunks of HTTP/1.1."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workers.api.encoding import encode

END_OF_CHUNKS = b"0\r\n\r\n"

WAITING_BYTES_MAX = 256 * 1024
"""What may wait for a client. One for which more would wait does not read, and is disconnected."""

PAYLOAD_BYTES_MAX = 64 * 1024
"""Events are sent together up to so many bytes. A client that reads takes them in between."""


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


def payloads(frames: Iterable[bytes]) -> list[Payload]:
    """Returns frames to be sent one part after the other. A frame is never cut."""
    parts: list[list[bytes]] = []
    room = 0
    for each in frames:
        if not parts or len(each) > room:
            parts.append([])
            room = PAYLOAD_BYTES_MAX
        parts[-1].append(each)
        room -= len(each)
    return [payload(part) for part in parts]


def frame(name: str, id_: str, data: Any) -> bytes:
    """Returns an event. JSON has no line breaks, so `data` is one line."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id_.encode(), name.encode(), encode(data))


def retry(milliseconds: int) -> bytes:
    """Returns how long a client is to wait before it connects again."""
    return b"retry: %d\n\n" % milliseconds


HEARTBEAT = payload([b":\n\n"])
"""A comment: it keeps proxies from closing an idle connection, and finds out that it is dead."""
