"""Faults of Twilio: all faults and callback rules of the mock, and refused connections."""

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.mock_twilio import CallbackRule, Fault, faults
from bench.mock_twilio.callback_rules import callbacks_missing, delivery_failing
from tests.faults.fault_context import FaultContext, InjectFault
from tests.harness.waiting import until

TIMES = 3
"""How many requests, or messages, a rule is applied to."""

REFUSE_SECONDS = 1.0


def _switch_on(
    make: Callable[..., Fault | CallbackRule], *others: Fault | CallbackRule
) -> InjectFault:
    """Apply a rule to some of the next requests, or to the callbacks of some of the next messages.

    `others` are further rules that such requests depend on.
    """

    async def inject(context: FaultContext) -> int:
        # With a seed of its own, this rule's hits are not confused with those of an equal rule.
        rule = make(times=TIMES, seed=context.chance.randrange(2**31))
        await context.servers.twilio.add(rule, *others)

        async def hits() -> int:
            return await context.servers.twilio.hits(rule)

        return await until(hits, f"a request to which {rule} applies")

    return inject


async def refuse(context: FaultContext) -> int:
    """Refuse connections for a second."""

    async def unsettled() -> int:
        return (await context.open_work()).unsettled

    hit = await until(unsettled, "replies to be sent")
    await context.servers.twilio.refuse(REFUSE_SECONDS)
    return hit


def _list_fails(**scope: Any) -> Fault:
    return Fault(act="answer", on="list", **scope)


TWILIO_FAULTS: dict[str, InjectFault] = {
    "twilio: answer lost": _switch_on(faults.answer_lost),
    "twilio: answer cut": _switch_on(faults.answer_cut),
    "twilio: connection closed": _switch_on(faults.connection_closed),
    "twilio: reset before": _switch_on(partial(faults.connection_reset, "before")),
    "twilio: reset after": _switch_on(partial(faults.connection_reset, "after")),
    "twilio: 503 before": _switch_on(partial(faults.server_error, "before")),
    "twilio: 503 after": _switch_on(partial(faults.server_error, "after")),
    "twilio: HTML 502 before": _switch_on(partial(faults.html_502, "before")),
    "twilio: HTML 502 after": _switch_on(partial(faults.html_502, "after")),
    "twilio: RFC 9457 503 after": _switch_on(partial(faults.problem, "after", 503, 20503)),
    "twilio: 429": _switch_on(faults.throttled),
    "twilio: 429 with Retry-After": _switch_on(partial(faults.throttled, 1)),
    "twilio: refused": _switch_on(partial(faults.refused, 21211)),
    "twilio: hanging before": _switch_on(partial(faults.hanging, "before")),
    "twilio: hanging after": _switch_on(partial(faults.hanging, "after")),
    "twilio: slow": _switch_on(partial(faults.slow, 0.5)),
    "twilio: connections refused": refuse,
    "twilio: callbacks missing": _switch_on(callbacks_missing),
    "twilio: callbacks early": _switch_on(partial(CallbackRule, early=1)),
    "twilio: callbacks doubled": _switch_on(partial(CallbackRule, copies=2)),
    "twilio: callbacks reversed": _switch_on(partial(CallbackRule, order="reversed")),
    "twilio: not delivered": _switch_on(partial(delivery_failing, 30003, "undelivered")),
    # Only without callbacks an uncertain part is searched for in the list.
    "twilio: the list fails": _switch_on(
        _list_fails, callbacks_missing(times=30), faults.answer_lost(times=TIMES)
    ),
}
"""The faults by their names in reports."""
