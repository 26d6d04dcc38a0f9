"""Changes that users make to themselves: whether they are available, what they are notified of."""

from msgspec import Struct

from db.directory import users_by_id
from schemas.directory import (
    PartialSettings,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
)
from schemas.fields import EventData
from workers.api.commands.bodies import closed, filled_in
from workers.api.commands.event_ids import SETTING_HEADERS, event_id
from workers.api.operation import Answer, Call, Operation
from workers.api.service import Api
from workers.api.shapes import Me, me_of


class Availability(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether conversations can be assigned to the user."""

    available: bool


NotificationSettingsBody = closed(PartialSettings, "NotificationSettingsBody")
"""The kinds to change, each with both media. The others stay as they are."""


async def set_availability(api: Api, call: Call) -> Answer:
    """Publish the caller's availability."""
    caller = call.caller
    change = UserAvailabilityChanged(
        account_id=caller.account_id, user_id=caller.user_id, available=call.body.available
    )
    return await _change(api, call, change)


async def set_notification_settings(api: Api, call: Call) -> Answer:
    """Publish what the caller wants to be notified of."""
    caller = call.caller
    change = UserNotificationSettingsChanged(
        account_id=caller.account_id,
        user_id=caller.user_id,
        settings=filled_in(PartialSettings, call.body),
    )
    return await _change(api, call, change)


async def _change(api: Api, call: Call, change: EventData) -> Answer:
    """Publish a change of the caller. Returns them once Postgres shows it; 202 until then."""
    if not await api.commands.change_directory(change, event_id(call.request.headers)):
        return Answer(status=202)
    key = (call.caller.account_id, call.caller.user_id)
    async with api.pool.acquire() as connection:
        found = await users_by_id(connection, [key])
    # Somebody may have removed the user meanwhile.
    return Answer(body=me_of(found[0])) if found else Answer(status=202)


OPERATIONS = (
    Operation(
        name="setAvailability",
        method="PUT",
        address="/me/availability",
        headers=SETTING_HEADERS,
        summary="Say whether conversations can be assigned to the user who asks.",
        handle=set_availability,
        body=Availability,
        answers={200: Me, 202: None},
    ),
    Operation(
        name="setNotificationSettings",
        method="PUT",
        address="/me/notification-settings",
        headers=SETTING_HEADERS,
        summary="Choose the media of some kinds of notifications; the other kinds stay.",
        handle=set_notification_settings,
        body=NotificationSettingsBody,
        answers={200: Me, 202: None},
    ),
)
