"""What the documents name is there: links, paths, modules, tests, targets of make."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
GLOSSARY = ROOT / "docs" / "glossary.md"

COLUMNS_MAX = 120
PACKAGES = "schemas|domain|db|workers|bench|tests|docs"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?:{PACKAGES})/[\w./*-]*")
_TEST = re.compile(r"(tests/[\w./-]+\.py)::(test_\w+)")
_DOTTED = re.compile(rf"(?:{PACKAGES})(?:\.\w+)+")
_RUN = re.compile(r"python -m ([\w.]+)")
_BLOCK = re.compile(r"(?ms)^```\w*\n(.*?)^```")
_MAKE = re.compile(r"(?m)^make ([a-z-]+)")

every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def names_in(path: Path) -> set[str]:
    """Every function, class, attribute and constant that a module defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    named = {node.name for node in ast.walk(tree) if isinstance(node, definitions)}
    return named | {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def is_there(path: str) -> bool:
    """Whether a path of the repository, perhaps with `*`, is there."""
    return any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()


def is_importable(dotted: str) -> bool:
    """Whether a dotted name is a module of ours, or is defined in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        folder, name = ROOT.joinpath(*parts[:end]), parts[end : end + 1]
        for module in (folder.with_suffix(".py"), folder / "__init__.py"):
            if module.exists():
                return not name or name[0] in names_in(module)
    return False


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings."""
    lines = document.read_text(encoding="utf-8").splitlines()
    titles = (line.lstrip("#").strip().lower() for line in lines if line.startswith("#"))
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}


@every_document
def test_every_link_leads_somewhere(document: Path) -> None:
    dead = []
    for link in _LINK.findall(document.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in headings(target)):
            dead.append(link)
    assert dead == []


def missing(text: str) -> Iterator[str]:
    """The paths, tests and modules that a document names and that are not there."""
    for path, test in _TEST.findall(text):
        if not is_there(path) or test not in names_in(ROOT / path):
            yield f"{path}::{test}"
    for span in _SPAN.findall(text):
        if _PATH.fullmatch(span) and not is_there(span):
            yield span
        if _DOTTED.fullmatch(name := span.partition("(")[0]) and not is_importable(name):
            yield span
    for module in _RUN.findall(text):
        if module.partition(".")[0] in PACKAGES.split("|") and not is_importable(module):
            yield f"python -m {module}"


@every_document
def test_every_path_test_and_module_is_there(document: Path) -> None:
    assert list(missing(document.read_text(encoding="utf-8"))) == []


@every_document
def test_every_target_of_make_is_there(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z-]+):", makefile))
    text = document.read_text(encoding="utf-8")
    commands = "\n".join((*_SPAN.findall(text), *_BLOCK.findall(text)))
    assert set(_MAKE.findall(commands)) <= targets


def test_every_target_of_make_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    silent = re.findall(r"(?m)^([a-z-]+):(?!.* ## \S)", makefile)
    assert silent == []


@every_document
def test_lines_are_short(document: Path) -> None:
    """But for rows of tables, and lines that are one long word: a URL, or the name of a test."""
    long = [
        f"{number}: {line[:60]}"
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > COLUMNS_MAX
        and not line.startswith("|")
        and len(line.removeprefix("- ").split()) > 1
    ]
    assert long == []


def test_the_glossary_names_what_its_modules_define() -> None:
    wrong = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        if not line.startswith("| ") or line.count("|") != len(("term", "meaning", "where")) + 1:
            continue
        modules: list[Path] = []
        for span in _SPAN.findall(line.split("|")[3]):
            if "/" in span:
                modules.append(ROOT / span)
            elif not modules or span not in names_in(modules[-1]):
                wrong.append(f"{span}: {line[:40]}")
    assert wrong == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem[:4])
def test_a_decision_has_its_date_and_status_and_stands_in_the_index(decision: Path) -> None:
    title, _, date, status = decision.read_text(encoding="utf-8").splitlines()[:4]
    number = int(decision.name[:4])
    assert title.startswith(f"# {number}. ")
    assert re.fullmatch(r"- Date: \d{4}-\d\d-\d\d", date)
    assert re.match(r"- Status: (accepted|superseded by \[decision \d+\])", status)
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    row = f"| {number} | [{title.removeprefix(f'# {number}. ')}](decisions/{decision.name}) | "
    assert row + date.removeprefix("- Date: ") in index
