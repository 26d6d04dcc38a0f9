"""An API of a few operations, served on this machine, for tests of the machinery."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Annotated, Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec import Meta, Struct

from domain.directory import User
from schemas.directory import NotificationSettings
from schemas.fields import AccountId, UserId
from workers.api.caller import Caller, Identity
from workers.api.handling import add_operations
from workers.api.operation import Answer, Call, Operation

Client = TestClient[web.Request, web.Application]


class Path(Struct, frozen=True, forbid_unknown_fields=True):
    """A path with a number."""

    number: Annotated[int, Meta(ge=1, le=99)]


class Query(Struct, frozen=True, forbid_unknown_fields=True):
    """A query with two fields."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    name: Annotated[str, Meta(max_length=10)] | None = None


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """A body with a text, and anything else."""

    text: str
    more: Any = None


async def echo(_api: Any, call: Call) -> Any:
    """Answers what was decoded."""
    return {"path": call.path, "query": call.query, "body": call.body}


async def accept(_api: Any, _call: Call) -> Answer:
    """Answers 202 with a header and no body."""
    return Answer(status=202, headers={"Location": "/somewhere"})


class FakeAdmission:
    """Lets everyone in, as one user."""

    def place(self, _operation: Operation) -> AbstractContextManager[None]:
        """Returns a place; there are enough."""
        return nullcontext()

    @asynccontextmanager
    async def admitted(self, _request: web.Request, _operation: Operation) -> AsyncIterator[Caller]:
        """Yield the user ana of the account acme."""
        account, user = AccountId("acme"), UserId("ana")
        yield Caller(
            identity=Identity(account_id=account, user_id=user, proven_by="proxy", expires_at=None),
            user=User(
                account_id=account,
                user_id=user,
                name="Ana",
                email=None,
                inbox_access=True,
                available=True,
                settings=NotificationSettings(),
            ),
        )


def operation(handle: Any = echo, **given: Any) -> Operation:
    """Returns an operation: GET /echo, unless `given` says otherwise."""
    usual: dict[str, Any] = {"name": "echo", "method": "GET", "address": "/echo"}
    usual |= {"summary": "Echo.", "handle": handle, "answers": {200: Any}}
    return Operation(**(usual | given))


@asynccontextmanager
async def served(operations: Sequence[Operation], *, is_open: bool = True) -> AsyncIterator[Client]:
    """Serve operations for as long as the context lasts."""
    app = web.Application()
    add_operations(app.router, operations, FakeAdmission(), None, lambda: is_open)
    server = TestServer(app)
    await server.start_server(access_log=None)  # as the worker's server
    async with TestClient(server) as client:
        yield client
