"""Which errors of Twilio are waited for, and which are final."""

import pytest

from workers.twilio.passing import is_passing


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (429, None, True),
        (429, 20429, True),
        # Twilio's own word for 429, whatever stands in front of it.
        (400, 20429, True),
        (400, 21611, True),
        (400, 14107, True),
        (403, 63038, True),
        # Final: the account, permissions, opt-out, the window, what is wrong with the message.
        (401, None, False),
        (401, 20003, False),
        (403, 20005, False),
        (403, None, False),
        (403, 20006, False),
        (400, 21610, False),
        (400, 21620, False),
        (400, 63016, False),
        # A 5xx proves nothing, whatever it says.
        (500, 21611, False),
        (503, 20429, False),
        (503, 20503, False),
        (503, 20005, False),
        (302, None, False),
    ],
)
def test_what_refuses_only_for_now(status: int, code: int | None, passing: bool) -> None:
    assert is_passing(status, code) is passing
