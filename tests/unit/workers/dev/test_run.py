"""The settings of `inbox dev`: those of the environment, completed for this machine."""

import io

import pytest
from rich.console import Console

from workers.dev.run import dev_settings


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_setting_counts_as_one_that_is_not_given(blank: str) -> None:
    given = {name: blank for name in ("INBOX_PUBLIC_URL", "INBOX_PARTITIONS", "INBOX_WEB_PORT")}
    settings = dev_settings(given, Console(file=io.StringIO()), "token")
    assert settings.public_url == f"http://127.0.0.1:{settings.web_port}"
    assert settings.partitions == dev_settings({}, Console(file=io.StringIO()), "token").partitions


def test_a_setting_is_taken_without_the_blanks_around_it() -> None:
    given = {"INBOX_PUBLIC_URL": " https://hooks.example.com/\n"}
    settings = dev_settings(given, Console(file=io.StringIO()), "token")
    assert settings.public_url == "https://hooks.example.com"
