"""`/users` over HTTP."""

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, event, user


async def test_the_users_are_those_to_whom_something_can_be_assigned(
    inbox: Inbox, ana: ApiClient
) -> None:
    await inbox.apply(
        user("zoe", inbox_access=False),
        user("cy"),
        user("eve", account="rival"),
        event(
            "user.availability_changed",
            {"account_id": ACCOUNT, "user_id": "bo", "available": False},
            key=ACCOUNT,
        ),
        # A user of whom nothing else was told yet is not known.
        event(
            "user.availability_changed",
            {"account_id": ACCOUNT, "user_id": "new", "available": True},
            key=ACCOUNT,
        ),
    )
    assert (await ana.get("/users")).json == {
        "items": [
            {"user_id": "ana", "name": "Ana", "available": True},
            {"user_id": "bo", "name": "Bo", "available": False},
            {"user_id": "cy", "name": "Cy", "available": True},
        ]
    }
