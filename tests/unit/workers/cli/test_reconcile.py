"""The option `--since` of `inbox reconcile`."""

from datetime import UTC, datetime, timedelta

import pytest
from click import ClickException
from click.testing import CliRunner

from workers.cli import inbox
from workers.cli.reconcile import Since


def test_since_is_a_time_with_an_offset_or_an_age() -> None:
    def since(text: str) -> datetime:
        return Since().convert(text, None, None)

    assert since("2026-01-31T09:00:00+01:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert since("2026-01-31T09:00:00.5Z").microsecond == 500_000
    for text, age in (
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
    ):
        before = datetime.now(UTC)
        assert before - age <= since(text) <= datetime.now(UTC) - age


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("yesterday", "yesterday is neither a time such as 2026-01-31T09:00:00+01:00"),
        ("", "is neither a time such as"),
        ("3w", "nor an age such as 90m, 2h or 3d"),
        ("0h", "nor an age such as"),
        ("-2h", "nor an age such as"),
        ("2026-01-31", "is neither a time such as"),
        ("2026-02-31T09:00:00Z", "is neither a time such as"),
        ("2026-01-31T09:00:00", "has no offset, such as Z or +01:00"),
        ("9000-01-31T09:00:00Z", "9000-01-31T09:00:00Z is in the future"),
        ("1969-01-31T09:00:00Z", "the year must be 1970 to 9998"),
        ("9999-12-31T23:59:59-12:00", "the year must be 1970 to 9998"),
        ("99999d", "99999d: the year must be 1970 to 9998"),
    ],
)
def test_what_is_wrong_with_since_is_said(text: str, wrong: str) -> None:
    with pytest.raises(ClickException) as caught:
        Since().convert(text, None, None)
    assert wrong in caught.value.message

    refused = CliRunner().invoke(inbox, ["reconcile", "--since", text])
    assert refused.exit_code == 2
    assert "Invalid value for '--since'" in refused.output
