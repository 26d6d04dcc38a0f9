"""The URL of a database is kept as it is given, and what is wrong with it is said."""

import pytest

from workers.settings.database_url import postgres_url
from workers.settings.variables import WrongValue


def test_a_url_is_kept_as_it_is_given() -> None:
    given = "postgresql://u:p@h1:5432,h2:5432/db?connect_timeout=3&sslmode=require"
    assert postgres_url(given) == given


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(WrongValue, match="channel_binding: is not supported: take it out"):
        postgres_url("postgresql://u:p@db/inbox?channel_binding=require")
