"""`/me` over HTTP."""

from tests.harness.api import ApiClient
from workers.settings import Settings


async def test_a_user_is_told_who_they_are(ana: ApiClient) -> None:
    answered = await ana.get("/me")
    assert answered.status == 200
    assert answered.json["user_id"] == "ana"
    assert answered.json["notification_settings"]["unassigned"] == {
        "desktop": True,
        "email": False,
    }


async def test_who_is_not_a_user_of_the_account_is_refused(
    ana: ApiClient, settings: Settings
) -> None:
    async with ApiClient(settings, "nobody") as nobody:
        assert (await nobody.get("/me")).code == "no_inbox_access"


async def test_what_is_not_there_is_a_problem(ana: ApiClient) -> None:
    assert (await ana.get("/nothing")).code == "not_found"
    wrong = await ana.delete("/me")
    assert (wrong.status, wrong.code, wrong.headers["Allow"]) == (405, "method_not_allowed", "GET")
    assert (await ana.get("/me", unknown="1")).code == "invalid_request"
