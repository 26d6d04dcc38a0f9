"""The session of a browser: a token becomes a cookie, until the token ends."""

import time

from workers.api.access.admission import bearer_token
from workers.api.operation import Answer, Call, Operation
from workers.api.problem import unauthorized
from workers.api.service import Api


async def begin_session(api: Api, call: Call) -> Answer:
    """Set the cookie. The token has to be in the header `Authorization`, which no form of another
    site can send: so nobody can begin a session of their own in somebody else's browser."""
    token, ends = bearer_token(call.request), call.caller.identity.expires_at
    if call.caller.identity.proven_by != "token" or token is None or ends is None:
        raise unauthorized("a session begins with a token in the header Authorization")
    seconds = max(0, int(ends.timestamp() - time.time()))
    return Answer(status=204, headers={"Set-Cookie": api.admission.cookie.holding(token, seconds)})


async def end_session(api: Api, call: Call) -> Answer:
    """Remove the cookie, whatever it holds: no script of the page could. The token itself is good
    until it ends."""
    cookie = api.admission.cookie
    if cookie.token(call.request) is not None:
        cookie.check_write(call.request, "cookie")
    return Answer(status=204, headers={"Set-Cookie": cookie.ended()})


OPERATIONS = (
    Operation(
        name="beginSession",
        method="POST",
        address="/session",
        summary="Sets a cookie that holds the token of this request, for as long as it is good.",
        handle=begin_session,
        answers={204: None},
    ),
    Operation(
        name="endSession",
        method="DELETE",
        address="/session",
        summary="Removes that cookie, also of a user who may do nothing else any more.",
        handle=end_session,
        answers={204: None},
        codes=("foreign_origin", "not_json"),
        is_public=True,
    ),
)
