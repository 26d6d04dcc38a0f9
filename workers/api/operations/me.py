"""The user who asks: who they are, whether they are available, what they are notified of."""

from msgspec import Struct

from domain.directory import User
from schemas.directory import NotificationSettings
from workers.api.operation import Call, Operation
from workers.api.service import Api


class Me(Struct, frozen=True, kw_only=True):
    """The user who asks."""

    account_id: str
    user_id: str
    name: str | None
    email: str | None
    available: bool
    notification_settings: NotificationSettings


def me_of(user: User) -> Me:
    """Returns a user as they are shown to themselves."""
    return Me(
        account_id=user.account_id,
        user_id=user.user_id,
        name=user.name,
        email=user.email,
        available=user.available,
        notification_settings=user.settings,
    )


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
