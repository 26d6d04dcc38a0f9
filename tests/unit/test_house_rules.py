"""The rules of the house, each checked by the tool that knows it."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "domain", "db", "workers")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 300
_SQL = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|TRUNCATE|WITH|GRANT|COPY"
    r"|BEGIN|COMMIT|ROLLBACK|LISTEN|NOTIFY|LOCK|SET)(\s+[A-Za-z_\"*$(]|;|$)"
)


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_a_tool_has_nothing_to_say(command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    said = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_tables_of_the_documentation_are_made_from_the_code() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "docs" / "tables.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"run docs/tables.py: {checked.stdout}{checked.stderr}"


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_functions_are_short(path: Path) -> None:
    long = {
        f"{named(path)}:{node.lineno} {node.name}": lines
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) >= FUNCTION_LINES_MAX
    }
    assert long == {}


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < MODULE_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_sql_is_in_files_of_its_own(path: Path) -> None:
    found = [
        f"{named(path)}:{node.lineno} {node.value[:60]!r}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL.match(node.value)
    ]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_whatever_is_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    ]
    assert path.name == "__main__.py" or ast.get_docstring(tree), f"{named(path)} has no docstring"
    assert [node.name for node in public if not ast.get_docstring(node)] == []
