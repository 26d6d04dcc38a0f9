"""SQL by name: every query is explained, and none hides another."""

from importlib.resources import files
from pathlib import Path

import pytest

from db import queries
from db.queries import QUERIES, parse


def test_a_file_holds_queries_by_name_without_their_comments() -> None:
    text = """\
-- name: first
-- What it is for,
-- in two lines.
SELECT 1
  -- indented: it stays
FROM a

-- name: second
-- Another one.
DELETE FROM b
-- a comment between
WHERE c = '--'
"""
    assert parse(text, "some.sql") == {
        "first": "SELECT 1\n  -- indented: it stays\nFROM a",
        "second": "DELETE FROM b\nWHERE c = '--'",
    }


def test_an_empty_file_holds_no_queries() -> None:
    assert parse("\n", "some.sql") == {}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("-- name: a\nSELECT 1\n", "a needs an explanation and a body"),
        ("-- name: a\n--\nSELECT 1\n", "a needs an explanation and a body"),
        ("-- name: a\n-- Explained.\n", "a needs an explanation and a body"),
        ("-- name: a\n-- Explained.\n\n-- name: b\n-- Too.\nSELECT 1", "a needs an explanation"),
        ("-- name: a\n", "a needs an explanation and a body"),
        ("SELECT 1\n", "text before the first"),
        ("-- A remark.\n-- name: a\n-- Explained.\nSELECT 1\n", "text before the first"),
        ("-- name: a\n-- E.\nSELECT 1\n-- name: a\n-- E.\nSELECT 2\n", "a is there twice"),
    ],
)
def test_a_file_that_is_not_so_is_refused_by_its_name(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=rf"^some\.sql: {wrong}"):
        parse(text, "some.sql")


def test_one_name_in_two_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.sql", "two.sql"):
        (tmp_path / name).write_text("-- name: a\n-- Explained.\nSELECT 1\n")
    (tmp_path / "readme.txt").write_text("no SQL")
    monkeypatch.setattr(queries, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"^two\.sql: \['a'\] stand in another file too"):
        queries._load()


def test_every_file_of_queries_is_loaded() -> None:
    for path in files("db.queries").iterdir():
        if path.name.endswith(".sql"):
            found = parse(path.read_text(encoding="utf-8"), path.name)
            assert found
            assert found.items() <= QUERIES.items()
