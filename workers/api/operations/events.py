"""The live events of the account, as Server-Sent Events."""

from typing import Annotated

from aiohttp import HttpVersion11
from aiohttp.web import StreamResponse
from msgspec import Meta, Struct

from workers.api.operation import Call, Operation
from workers.api.service import Api
from workers.process import metrics


class EventsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a client goes on."""

    last_event_id: str | None = None
    """The id of the last event, of a client that cannot set the header Last-Event-ID, which comes
    first."""


async def stream_events(api: Api, call: Call) -> StreamResponse:
    """Send events until the client leaves, its token ends, or this process does."""
    request = call.request
    api.events.check_room(call.caller)
    response = StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    response.force_close()  # what follows a stream is a new connection
    await response.prepare(request)
    if request.transport is None:
        return response
    stream = api.events.open(
        call.caller,
        request.transport,
        request.headers.get("Last-Event-ID") or call.query.last_event_id,
        is_chunked=request.version >= HttpVersion11,
    )
    try:
        metrics.API_STREAM_ENDS.labels(await stream.ended).inc()
    finally:
        api.events.leave(stream)
    return response


OPERATIONS = (
    Operation(
        name="streamEvents",
        method="GET",
        address="/events",
        summary="What changes in the inbox, as it changes.",
        handle=stream_events,
        answers={200: bytes},
        query=EventsQuery,
        content_type="text/event-stream",
        headers={"Last-Event-ID": Annotated[str, Meta(description="The id of the last event.")]},
    ),
)
