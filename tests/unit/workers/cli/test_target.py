"""A command names the database without a piece of its password."""

import pytest

from workers.cli.target import place_of

SECRETS = ("s3cr", "et", "s3cr/et", "s3cr?et", "s3cr#et", "s3cr@et", "s3cr:et", "[s3cret", "s3cr%")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://inbox_worker:s3cret@db:5432/inbox", "inbox at db:5432"),
        ("postgresql://inbox_worker:s3cr@et@db:5432/inbox", "inbox at db:5432"),
        ("postgresql://db/inbox", "inbox at db"),
        ("postgresql://u:s3cret@[::1]:5432/inbox?sslmode=disable", "inbox at [::1]:5432"),
        ("postgresql://u:s3cret@h1:5432,h2:5433/inbox", "inbox at h1:5432,h2:5433"),
        ("postgresql:///inbox?host=/run/postgresql&password=s3cret", "inbox at /run/postgresql"),
        ("postgresql://u:s3cret@db", "postgres at db"),
    ],
)
def test_a_database_is_named_by_its_name_and_hosts(url: str, place: str) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize("password", SECRETS)
@pytest.mark.parametrize("rest", ["db:5432/inbox", "db/inbox?sslmode=require", "db/in@box"])
def test_no_piece_of_a_password_is_shown(password: str, rest: str) -> None:
    try:
        place = place_of(f"postgresql://owner:{password}@{rest}")
    except ValueError:
        return  # An address in brackets that is none.
    assert "s3cr" not in place
    assert "owner" not in place
