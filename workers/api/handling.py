"""Makes the routes of the API from its operations: who asks, what is asked, what is answered."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, Protocol

from aiohttp import web
from aiokafka.errors import KafkaError

from db.errors import is_transient
from workers.api.caller import Caller
from workers.api.decoding import decode_path, decode_query, read_body
from workers.api.encoding import encode
from workers.api.operation import PREFIX, Answer, Call, Nothing, Operation
from workers.api.problem import Problem, not_found
from workers.process import metrics

log = logging.getLogger(__name__)

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]

AWAY_SECONDS = 1


class Admission(Protocol):
    """Lets callers in."""

    def place(self, operation: Operation) -> AbstractContextManager[None]:
        """Returns the place of a request under way. To enter it raises Problem if all are taken."""

    async def admit(self, request: web.Request, operation: Operation) -> Caller:
        """Returns who is asking. Raises Problem for whoever may not, or asks too often."""


def common_codes(operation: Operation) -> tuple[str, ...]:
    """Returns the codes of the problems that every operation of this form may have."""
    codes: list[str] = []
    if not operation.is_public:
        codes += ["unauthorized", "no_inbox_access", "too_many_requests"]
        if operation.method != "GET":
            codes += ["foreign_origin", "not_json"]
    if operation.path is not Nothing:
        codes.append("not_found")
    codes += ["invalid_request", "unavailable"]
    if operation.body is not None:
        codes += ["body_too_slow", "body_too_large", "not_json"]
    return tuple(dict.fromkeys(codes))


def add_operations(
    router: web.UrlDispatcher, operations: Sequence[Operation], admission: Admission, api: Any
) -> None:
    """Add a route for each operation, and the answers to all other methods and paths below
    `PREFIX`. `api` is handed to the operations."""
    for operation in operations:
        path = PREFIX + operation.address
        router.add_route(operation.method, path, _route(operation, admission, api))
    for address in {operation.address: None for operation in operations}:
        allowed = sorted(each.method for each in operations if each.address == address)
        router.add_route("*", PREFIX + address, _refuse_method(", ".join(allowed)))
    router.add_route("*", PREFIX + "/{unknown:.*}", _refuse_path)


def _route(operation: Operation, admission: Admission, api: Any) -> Route:
    async def answer(request: web.Request) -> web.StreamResponse:
        began = perf_counter()
        try:
            with admission.place(operation):
                response = await _answer(operation, admission, api, request)
        except Problem as problem:
            response = problem.answer()
            if problem.status in {408, 413}:
                response.force_close()  # rather than wait for the rest of the body
        metrics.API_REQUESTS.labels(operation.name, response.status).inc()
        metrics.API_SECONDS.labels(operation.name).observe(perf_counter() - began)
        return response

    return answer


async def _answer(
    operation: Operation, admission: Admission, api: Any, request: web.Request
) -> web.StreamResponse:
    try:
        caller: Any = None if operation.is_public else await admission.admit(request, operation)
        call = Call(
            caller=caller,
            path=decode_path(operation.path, request.match_info),
            query=decode_query(operation.query, request),
            body=await read_body(operation, request),
            request=request,
        )
        return _response(await operation.handle(api, call))
    except Exception as error:
        if not isinstance(error, KafkaError) and not is_transient(error):
            raise
        log.warning("%s: %s", operation.name, type(error).__name__)
        raise Problem(
            "unavailable",
            "Kafka or Postgres does not answer; the same request may be sent again",
            {"Retry-After": str(AWAY_SECONDS)},
        ) from None


def _response(answered: Any) -> web.StreamResponse:
    if isinstance(answered, web.StreamResponse):
        return answered
    if not isinstance(answered, Answer):
        answered = Answer(body=answered)
    headers = {"Cache-Control": "no-store", **answered.headers}
    if answered.body is None:
        return web.Response(status=answered.status, headers=headers)
    return web.Response(
        body=encode(answered.body),
        status=answered.status,
        headers=headers,
        content_type="application/json",
    )


def _refuse_method(allowed: str) -> Route:
    async def answer(_request: web.Request) -> web.StreamResponse:
        detail = f"the methods of this path are: {allowed}"
        return Problem("method_not_allowed", detail, {"Allow": allowed}).answer()

    return answer


async def _refuse_path(_request: web.Request) -> web.StreamResponse:
    return not_found().answer()
