"""Requests as the parts of access see them."""

from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict


def request(
    *headers: tuple[str, str], method: str = "GET", remote: str = "192.0.2.1"
) -> web.Request:
    """Returns a request with these headers, from this address."""
    given: Any = CIMultiDict(headers)
    made = make_mocked_request(method, "/", headers=given).clone(remote=remote)
    assert isinstance(made, web.Request)
    return made
