"""Migrations are numbered without gaps."""

from pathlib import Path

import pytest

from db import migrate
from db.migrate import migrations


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(f"-- {name}", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of migrations in place of ours."""
    monkeypatch.setattr(migrate, "files", lambda _: tmp_path)
    return tmp_path


def test_ours_start_at_one_and_have_no_gaps() -> None:
    found = migrations()
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    for step in found:
        assert step.name.startswith(f"{step.number:04}_")
        assert step.sql.strip()


def test_migrations_come_in_the_order_of_their_numbers(folder: Path) -> None:
    put(folder, "0003_c.sql", "0001_a.sql", "0002_b.sql", "bootstrap.sql", "readme.md")
    assert [(step.number, step.name, step.sql) for step in migrations()] == [
        (1, "0001_a", "-- 0001_a.sql"),
        (2, "0002_b", "-- 0002_b.sql"),
        (3, "0003_c", "-- 0003_c.sql"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["0002_b.sql"],
        ["0001_a.sql", "0003_c.sql"],
        ["0001_a.sql", "0001_b.sql"],
        ["0000_a.sql", "0001_b.sql"],
    ],
    ids=str,
)
def test_gaps_and_doubles_are_refused(folder: Path, names: list[str]) -> None:
    put(folder, *names)
    with pytest.raises(ValueError, match="without gaps"):
        migrations()
