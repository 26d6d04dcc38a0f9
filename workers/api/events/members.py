"""The streams of an account, by user."""

import asyncio
from collections.abc import Collection, Iterator, Sequence

from schemas.fields import UserId
from workers.api.events.frames import Payload, payloads
from workers.api.events.published import Published, Seen
from workers.api.events.stream import Stream
from workers.process import metrics

AT_ONCE = 200
"""So many streams are written to before others get their turn: it takes a few milliseconds."""


class Members:
    """The streams that get the events of an account."""

    def __init__(self) -> None:
        self._streams: dict[UserId, dict[Stream, None]] = {}
        """The streams of each user, in the order in which they came."""
        self._count = 0

    @property
    def users(self) -> Collection[UserId]:
        """The users who have a stream."""
        return self._streams.keys()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stream]:
        return iter([stream for streams in self._streams.values() for stream in streams])

    def add(self, stream: Stream) -> None:
        """Add a stream: from now on it gets every event."""
        self._streams.setdefault(stream.user_id, {})[stream] = None
        self._count += 1

    def remove(self, stream: Stream) -> None:
        """Remove a stream, if it is there."""
        streams = self._streams.get(stream.user_id, {})
        if stream not in streams:
            return
        del streams[stream]
        self._count -= 1
        if not streams:
            del self._streams[stream.user_id]

    async def send(self, events: Sequence[Published], seen: Seen) -> None:
        """Send events to all of their users. What users get alike is joined once.

        Streams whose clients do not read are ended, so that little waits for each.
        """
        joined: dict[tuple[bytes, ...], list[Payload]] = {}
        written = 0
        for user_id, streams in list(self._streams.items()):
            frames = frames_of(events, user_id, seen)
            if not frames:
                continue
            parts = joined.get(frames)
            if parts is None:
                parts = joined[frames] = payloads(frames)
            metrics.API_EVENTS_SENT.inc(len(frames) * len(streams))
            sent_to = list(streams)
            for part in parts:
                for stream in sent_to:
                    stream.send(part)
                written += len(streams)
                if written >= AT_ONCE or part is not parts[-1]:
                    written = 0
                    await asyncio.sleep(0)


def frames_of(events: Sequence[Published], user_id: UserId, seen: Seen) -> tuple[bytes, ...]:
    """Returns the events that a user gets."""
    framed = (event.frame_for(user_id, seen) for event in events)
    return tuple(each for each in framed if each is not None)
