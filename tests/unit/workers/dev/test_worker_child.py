"""This machine reaches a worker that listens on any kind of address."""

import pytest

from workers.dev.worker_child import local_host
from workers.settings import Settings


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104  # nothing listens here
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("localhost", "localhost"),
    ],
)
def test_the_host_stands_in_a_url(given: str, host: str) -> None:
    assert local_host(Settings.from_environment({"INBOX_WEB_HOST": given})) == host
