"""The user who asks: who they are, whether they are available, what they are notified of."""

from workers.api.operation import Call, Operation
from workers.api.service import Api
from workers.api.shapes import Me, me_of


async def read_me(_api: Api, call: Call) -> Me:
    """Returns the caller."""
    return me_of(call.caller.user)


OPERATIONS = (
    Operation(
        name="readMe",
        method="GET",
        address="/me",
        summary="Who is asking.",
        handle=read_me,
        answers={200: Me},
    ),
)
