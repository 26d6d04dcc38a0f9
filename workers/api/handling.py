"""Makes the routes of the API from its operations: who asks, what is asked, what is answered."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, Protocol

from aiohttp import web
from aiokafka.errors import KafkaError

from db.errors import is_transient
from workers.api.caller import Caller
from workers.api.decoding import decode_path, decode_query, read_body
from workers.api.encoding import json_answer
from workers.api.operation import PREFIX, Answer, Call, Nothing, Operation
from workers.api.problem import Problem
from workers.process import metrics
from workers.process.bugs import bug

log = logging.getLogger(__name__)

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]

AWAY_SECONDS = 1
"""When a client may ask again, after Kafka or Postgres did not answer."""


class Admission(Protocol):
    """Lets callers in."""

    def place(self, operation: Operation) -> AbstractContextManager[None]:
        """Returns the place of a request under way. To enter it raises Problem if all are taken."""

    def admitted(
        self, request: web.Request, operation: Operation
    ) -> AbstractAsyncContextManager[Caller]:
        """Returns who is asking, for as long as the request is under way. To enter it raises
        Problem for whoever may not ask, or asks too often or too much at once."""


def common_codes(operation: Operation) -> tuple[str, ...]:
    """Returns the codes of the problems that every operation of this form may have."""
    codes = ["invalid_request", "unavailable"]
    if not operation.is_public:
        codes += ["unauthorized", "no_inbox_access", "too_many_requests"]
        if operation.method != "GET":
            codes += ["foreign_origin", "not_json"]
    if operation.path is not Nothing:
        codes.append("not_found")
    if operation.body is not None:
        codes += ["body_too_slow", "body_too_large", "not_json"]
    return tuple(dict.fromkeys(codes))


def add_operations(
    router: web.UrlDispatcher,
    operations: Sequence[Operation],
    admission: Admission,
    api: Any,
    is_open: Callable[[], bool] = lambda: True,
) -> None:
    """Add a route for each operation, and the answers to all other methods and paths below
    `PREFIX`. `api` is handed to the operations. While it is not open, they are unavailable."""
    for operation in operations:
        path = PREFIX + operation.address
        router.add_route(operation.method, path, _route(operation, admission, api, is_open))
    for address in {operation.address: None for operation in operations}:
        allowed = sorted(each.method for each in operations if each.address == address)
        router.add_route("*", PREFIX + address, _refuse_method(", ".join(allowed)))
    for path in (PREFIX, PREFIX + "/{unknown:.*}"):
        router.add_route("*", path, _refuse_path)


def _route(
    operation: Operation, admission: Admission, api: Any, is_open: Callable[[], bool]
) -> Route:
    async def answer(request: web.Request) -> web.StreamResponse:
        began = perf_counter()
        try:
            if not (operation.is_public or is_open()):
                raise _unavailable()
            with admission.place(operation):
                response = await _answer(operation, admission, api, request)
        except Exception as error:
            response = _failed(operation, request, error)
        metrics.API_REQUESTS.labels(operation.name, response.status).inc()
        metrics.API_SECONDS.labels(operation.name).observe(perf_counter() - began)
        return response

    return answer


async def _answer(
    operation: Operation, admission: Admission, api: Any, request: web.Request
) -> web.StreamResponse:
    nobody: Any = nullcontext()
    admitted = nobody if operation.is_public else admission.admitted(request, operation)
    async with admitted as caller:
        call = Call(
            caller=caller,
            path=decode_path(operation.path, request.match_info),
            query=decode_query(operation.query, request),
            body=await read_body(operation, request),
            request=request,
        )
        answered = await operation.handle(api, call)
    if isinstance(answered, web.StreamResponse):
        return answered
    if isinstance(answered, Answer):
        return json_answer(answered.body, answered.status, answered.headers)
    return json_answer(answered)


def _failed(operation: Operation, request: web.Request, error: Exception) -> web.Response:
    problem = _problem_of(operation, error)
    response = problem.answer()
    if request.writer.output_size and request.transport is not None:
        # An answer had begun, and no other can follow it: the client sees that it broke off.
        request.transport.abort()
    elif problem.status in {408, 413}:
        response.force_close()  # rather than wait for the rest of the body
    return response


def _problem_of(operation: Operation, error: Exception) -> Problem:
    """Returns what a request is answered that failed. Nothing of the request is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, KafkaError) or is_transient(error):
        log.warning("%s: %s", operation.name, type(error).__name__)
        return _unavailable()
    log.error("%s: %s", operation.name, bug(error))
    return Problem("internal_error", "this is a fault of the inbox, and its log has it")


def _unavailable() -> Problem:
    detail = "Kafka or Postgres does not answer; the same request may be sent again"
    return Problem("unavailable", detail, {"Retry-After": str(AWAY_SECONDS)})


def _refuse_method(allowed: str) -> Route:
    async def answer(_request: web.Request) -> web.StreamResponse:
        detail = f"the methods of this path are: {allowed}"
        return Problem("method_not_allowed", detail, {"Allow": allowed}).answer()

    return answer


async def _refuse_path(_request: web.Request) -> web.StreamResponse:
    return Problem("not_found", "no operation of the API has this path").answer()
