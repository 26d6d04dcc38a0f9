"""Which errors of Twilio are waited for, and which are final."""

import pytest

from workers.twilio.passing import is_about_account, is_passing


@pytest.mark.parametrize(
    ("status", "code", "passing", "about_account"),
    [
        (429, None, True, False),
        (429, 20429, True, False),
        # Twilio's own word for 429, whatever stands in front of it.
        (400, 20429, True, False),
        (503, 20429, True, False),
        (400, 21611, True, False),
        (400, 14107, True, False),
        (403, 63038, True, False),
        (401, None, True, True),
        (401, 20003, True, True),
        (403, 20005, True, True),
        # Final: permissions, opt-out, the window, what is wrong with the message.
        (403, None, False, False),
        (403, 20006, False, False),
        (400, 21610, False, False),
        (400, 21620, False, False),
        (400, 63016, False, False),
        # A 5xx proves nothing, whatever it says.
        (500, 21611, False, False),
        (503, 20503, False, False),
        (503, 20005, False, False),
        (302, None, False, False),
    ],
)
def test_what_refuses_only_for_now(
    status: int, code: int | None, passing: bool, about_account: bool
) -> None:
    assert is_passing(status, code) is passing
    assert is_about_account(status, code) is about_account
