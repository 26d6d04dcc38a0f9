"""Faults of Twilio: every switch of its stand-in, and connections that it does not take."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from bench.mock_twilio import Fault, Telling, faults
from bench.mock_twilio.tellings import failing, missing
from tests.faults.scene import Scene, Strike
from tests.harness.waiting import until

TIMES = 3
"""How many POSTs, or messages, a fault is for."""

REFUSE_SECONDS = 1.0


def _wrong(make: Callable[..., Fault | Telling], *others: Fault | Telling) -> Strike:
    """Strike some of the next requests, or what is told of some of the next messages.

    `others` are what it takes for such requests to be made at all.
    """

    async def strike(scene: Scene) -> int:
        # The seed tells this rule's hits from those of others like it.
        rule = make(times=TIMES, seed=scene.chance.randrange(2**31))
        path = "/_faults" if isinstance(rule, Fault) else "/_tellings"
        await scene.servers.twilio.add(rule, *others)

        async def hits() -> int:
            counts = msgspec.json.decode(await scene.servers.twilio._ask("GET", path))
            mine = msgspec.json.decode(msgspec.json.encode(rule))
            return sum(each["hits"] for each in counts if each["rule"] == mine)

        return await until(hits, f"a request that {rule} is for")

    return strike


async def refuse(scene: Scene) -> int:
    """No connection is taken for a second."""

    async def unsettled() -> int:
        return (await scene.work()).unsettled

    hit = await until(unsettled, "replies to be sent")
    await scene.servers.twilio.refuse(REFUSE_SECONDS)
    return hit


def _list_fails(**scope: Any) -> Fault:
    return Fault(act="answer", on="list", **scope)


TWILIO_FAULTS: dict[str, Strike] = {
    "twilio: answer lost": _wrong(faults.answer_lost),
    "twilio: answer cut": _wrong(faults.answer_cut),
    "twilio: connection closed": _wrong(faults.connection_closed),
    "twilio: reset before": _wrong(partial(faults.connection_reset, "before")),
    "twilio: reset after": _wrong(partial(faults.connection_reset, "after")),
    "twilio: 503 before": _wrong(partial(faults.server_error, "before")),
    "twilio: 503 after": _wrong(partial(faults.server_error, "after")),
    "twilio: HTML 502 before": _wrong(partial(faults.html_502, "before")),
    "twilio: HTML 502 after": _wrong(partial(faults.html_502, "after")),
    "twilio: RFC 9457 503 after": _wrong(partial(faults.problem, "after", 503, 20503)),
    "twilio: 429": _wrong(faults.throttled),
    "twilio: 429 with Retry-After": _wrong(partial(faults.throttled, 1)),
    "twilio: refused": _wrong(partial(faults.refused, 21211)),
    "twilio: hanging before": _wrong(partial(faults.hanging, "before")),
    "twilio: hanging after": _wrong(partial(faults.hanging, "after")),
    "twilio: slow": _wrong(partial(faults.slow, 0.5)),
    "twilio: connections refused": refuse,
    "twilio: callbacks missing": _wrong(missing),
    "twilio: callbacks early": _wrong(partial(Telling, early=1)),
    "twilio: callbacks doubled": _wrong(partial(Telling, copies=2)),
    "twilio: callbacks reversed": _wrong(partial(Telling, order="reversed")),
    "twilio: not delivered": _wrong(partial(failing, 30003, "undelivered")),
    # Without callbacks, what is of unknown outcome is looked for in the list.
    "twilio: the list fails": _wrong(
        _list_fails, missing(times=30), faults.answer_lost(times=TIMES)
    ),
}
"""Each kind of fault, by its name in reports."""
