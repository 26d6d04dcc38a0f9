"""The users and channels of an account, and how the events of the directory change them."""

from typing import Any

import msgspec
import pytest

from domain.directory import Channel, Directory, User, decide_channel, decide_user
from schemas.directory import (
    BOTH,
    DESKTOP,
    OFF,
    ChannelInstalled,
    ChannelRemoved,
    Medium,
    NotificationSettings,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import UserId
from tests.unit.domain.given.samples import ACCOUNT, directory, user

EMAIL = Medium(False, True)


def upserted(name: str = "Ana", *, inbox_access: bool = True) -> UserUpserted:
    return UserUpserted(
        account_id=ACCOUNT,
        user_id=UserId("ana"),
        name=name,
        email="ana@example.com",
        inbox_access=inbox_access,
    )


def availability(available: bool) -> UserAvailabilityChanged:
    return UserAvailabilityChanged(account_id=ACCOUNT, user_id=UserId("ana"), available=available)


def chosen(**settings: Any) -> UserNotificationSettingsChanged:
    data = {"account_id": ACCOUNT, "user_id": "ana", "settings": settings}
    return msgspec.convert(data, UserNotificationSettingsChanged)


REMOVED = UserRemoved(account_id=ACCOUNT, user_id=UserId("ana"))


def test_a_new_user_is_available_and_has_the_default_settings() -> None:
    assert decide_user(None, upserted()) == user("ana")
    assert user("ana").available
    assert user("ana").settings == NotificationSettings()


def test_an_upsert_changes_the_person_and_leaves_their_choices() -> None:
    before = user("ana", available=False, settings=NotificationSettings(unassigned=OFF))
    after = decide_user(before, upserted("Ana M.", inbox_access=False))
    assert after == msgspec.structs.replace(before, name="Ana M.", inbox_access=False)


def test_availability_changes_nothing_else() -> None:
    assert decide_user(user("ana"), availability(False)) == user("ana", available=False)
    assert decide_user(user("ana", available=False), availability(True)) == user("ana")


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({}, NotificationSettings()),
        ({"mood": {"desktop": True, "email": True}}, NotificationSettings()),
        (
            {"unassigned": {"desktop": False, "email": True}},
            NotificationSettings(unassigned=EMAIL),
        ),
        (
            {
                "assigned_to_me": {"desktop": False, "email": False},
                "assigned_to_others": {"desktop": True, "email": True},
                "unassigned": {"desktop": True, "email": True},
                "assignment": {"desktop": True, "email": False},
            },
            NotificationSettings(OFF, BOTH, BOTH, DESKTOP),
        ),
        ({"assignment": None}, NotificationSettings()),
    ],
    ids=str,
)
def test_kinds_that_are_left_out_of_the_settings_stay_as_they_were(
    changes: dict[str, Any], after: NotificationSettings
) -> None:
    assert decide_user(user("ana"), chosen(**changes)) == user("ana", settings=after)


def test_settings_are_remembered_kind_by_kind() -> None:
    first = decide_user(user("ana"), chosen(unassigned={"desktop": False, "email": False}))
    second = decide_user(first, chosen(assignment={"desktop": False, "email": False}))
    assert second == user("ana", settings=NotificationSettings(unassigned=OFF, assignment=OFF))


def test_a_removed_user_is_gone_with_their_choices() -> None:
    away = decide_user(user("ana"), availability(False))
    assert decide_user(away, REMOVED) is None
    assert decide_user(None, REMOVED) is None
    assert decide_user(None, upserted()) == user("ana")


def test_what_is_said_of_a_user_before_they_are_told_of_is_kept_but_makes_no_user() -> None:
    off = {"desktop": False, "email": False}
    early = decide_user(decide_user(None, availability(False)), chosen(assigned_to_me=off))
    assert early is not None
    assert not early.known
    assert directory(early).user("ana") is None
    assert directory(early).notifiable == ()
    assert decide_user(early, upserted()) == user(
        "ana", available=False, settings=NotificationSettings(assigned_to_me=OFF)
    )


def test_a_directory_knows_the_users_of_its_account_alone() -> None:
    known = directory("ana", user("bo", inbox_access=False))
    assert known.user("ana") == user("ana")
    assert known.user("bo") is not None
    assert known.user("of-another-account") is None
    assert len(known) == 2


def test_those_who_may_be_told_are_sorted_and_have_access() -> None:
    known = directory("cy", "ana", user("bo", inbox_access=False), user("di", name=None))
    assert [item.user_id for item in known.notifiable] == ["ana", "cy"]
    assert known.notifiable is known.notifiable, "cached: every message needs them"


def test_an_empty_directory_knows_nobody() -> None:
    empty = Directory(ACCOUNT, 0, {})
    assert (empty.user("ana"), empty.notifiable, len(empty)) == (None, (), 0)


def installed(**fields: Any) -> ChannelInstalled:
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "channel_id": "wa1",
        "provider": "twilio",
        "address": "whatsapp:+1",
        "name": "Sales",
        "installed_by": "ana",
    }
    return msgspec.convert(usual | fields, ChannelInstalled)


CHANNEL_REMOVED = msgspec.convert({"account_id": ACCOUNT, "channel_id": "wa1"}, ChannelRemoved)


def test_an_installed_channel_is_as_its_event_says() -> None:
    assert decide_channel(None, installed()) == Channel(
        account_id=ACCOUNT,
        channel_id=installed().channel_id,
        provider="twilio",
        address="whatsapp:+1",
        name="Sales",
        installed_by=UserId("ana"),
    )


def test_a_channel_installed_again_is_as_the_newest_event_says() -> None:
    removed = decide_channel(decide_channel(None, installed()), CHANNEL_REMOVED)
    again = decide_channel(removed, installed(installed_by="bo", address="whatsapp:+2"))
    assert again is not None
    assert (again.installed_by, again.address, again.removed) == ("bo", "whatsapp:+2", False)


def test_a_removed_channel_still_says_who_installed_it() -> None:
    channel = decide_channel(None, installed())
    assert channel is not None
    assert decide_channel(channel, CHANNEL_REMOVED) == msgspec.structs.replace(
        channel, removed=True
    )


def test_removing_a_channel_that_was_never_installed_is_no_error() -> None:
    assert decide_channel(None, CHANNEL_REMOVED) is None


def test_a_user_is_known_once_upserted_whatever_their_name() -> None:
    nameless = decide_user(None, upserted(""))
    assert isinstance(nameless, User)
    assert nameless.known


def test_a_channel_with_another_address_has_no_account_of_webhooks_any_more() -> None:
    channel = decide_channel(None, installed())
    assert channel is not None
    received = msgspec.structs.replace(channel, webhook_account_id="AC11")
    named = decide_channel(received, installed(provider_account_id="AC22"))
    assert named is not None
    assert (named.provider_account_id, named.webhook_account_id) == ("AC22", "AC11")
    moved = decide_channel(named, installed(address="whatsapp:+2"))
    assert moved is not None
    assert (moved.provider_account_id, moved.webhook_account_id) == (None, None)
