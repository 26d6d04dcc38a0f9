"""Routes are made from operations: who asks, what is asked, what is answered."""

import pytest

from tests.unit.workers.api.given import Body, Path, Query, accept, operation, served
from workers.api.operation import PREFIX

OPERATIONS = (
    operation(query=Query),
    operation(name="send", method="POST", body=Body),
    operation(name="find", address="/echo/{number}", path=Path),
    operation(accept, name="accept", method="PUT", address="/accept", answers={202: None}),
)


async def test_an_answer_has_its_status_its_headers_and_is_not_stored() -> None:
    async with served(OPERATIONS) as client:
        answered = await client.get(f"{PREFIX}/echo/7")
        assert (answered.status, answered.headers["Cache-Control"]) == (200, "no-store")
        assert (await answered.json())["path"] == {"number": 7}
        accepted = await client.put(f"{PREFIX}/accept")
        assert (accepted.status, accepted.headers["Location"]) == (202, "/somewhere")
        assert await accepted.read() == b""


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "DELETE"])
async def test_other_methods_are_refused_with_those_that_there_are(method: str) -> None:
    async with served(OPERATIONS) as client:
        answered = await client.request(method, f"{PREFIX}/echo")
        assert (answered.status, answered.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("path", ["/nothing", "/echo/", "/echo/7/8", "/ECHO", "/", "//echo"])
async def test_other_paths_are_not_found(path: str) -> None:
    async with served(OPERATIONS) as client:
        answered = await client.get(PREFIX + path)
        assert answered.status == 404
        assert (await answered.json(content_type="application/problem+json"))["code"] == "not_found"
