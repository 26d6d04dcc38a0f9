"""Writes the tables of the documentation from the code, between their markers.

    python docs/tables.py [--check]

With --check it writes nothing, and the exit status is 1 when a table is out of date.
"""

import ast
import sys
import tomllib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from db.databases import API, WORKER
from db.session import API_SESSION, SESSION
from schemas.catalog import INBOUND, OUTBOUND
from schemas.codes import DeadLetterCode, RejectionCode
from schemas.topics import DAY_MILLISECONDS, FOR_EVER, TOPICS
from workers.api.problem import STATUS_OF
from workers.api.table import OPERATIONS
from workers.process import metrics
from workers.settings import Settings
from workers.twilio.form_fields import MESSAGE_FIELDS, STATUS_FIELDS, FormField

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/contract.md",
    "docs/operating.md",
    "docs/twilio-forms.md",
)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def topics() -> str:
    """Every topic."""
    rows = []
    for topic in TOPICS.values():
        days = topic.retention_milliseconds // DAY_MILLISECONDS
        kept = "for ever" if topic.retention_milliseconds == FOR_EVER else f"{days} days"
        rows.append(
            (
                f"`{topic.name}`",
                topic.key.value,
                str(topic.partitions or "`INBOX_PARTITIONS`"),
                f"{kept}, compacted" if topic.compacted else kept,
                topic.producers,
                topic.consumers,
                topic.purpose,
            )
        )
    head = ("topic", "key", "partitions", "kept", "written by", "read by", "what")
    return _table(head, rows)


def types() -> str:
    """Every event type, with the sentence of its struct."""
    return _table(
        ("topic", "type", "meaning"),
        (
            (f"`{topic}`", f"`{struct.TYPE}`", (struct.__doc__ or "").split("\n")[0])
            for topic, structs in {**INBOUND, **OUTBOUND}.items()
            for struct in structs
        ),
    )


def settings() -> str:
    """Every setting."""
    return _table(
        ("variable", "meaning", "default"),
        (
            (f"`{item.name}`", item.meaning, f"`{item.default}`" if item.default else "none")
            for item in Settings.variables()
        ),
    )


def metric_names() -> str:
    """Every metric."""
    found = (item for item in vars(metrics).values() if isinstance(item, MetricWrapperBase))
    return _table(
        ("metric", "type", "labels", "meaning"),
        (
            (
                f"`{item._name}{'_total' if item._type == 'counter' else ''}`",
                item._type,
                ", ".join(item._labelnames),
                item._documentation,
            )
            for item in found
        ),
    )


def codes() -> str:
    """Every code."""
    rejected = ((f"`{code}`", "rejection") for code in RejectionCode)
    dead = ((f"`{code}`", "dead letter") for code in DeadLetterCode)
    return _table(("code", "of a"), (*rejected, *dead))


def rooms() -> str:
    """Every room of workers/: its floor, the docstring of its package, and what it imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each.get("containers") == ["workers"])
    floors = [[room.strip() for room in floor.split("|")] for floor in contract["layers"]]
    return _table(
        ("floor", "room", "what is in it", "imports"),
        (
            (str(number), f"`{room}`", _docstring(room), ", ".join(sorted(_imported_rooms(room))))
            for number, floor in zip(range(len(floors), 0, -1), floors, strict=True)
            for room in floor
        ),
    )


def _docstring(room: str) -> str:
    """The first paragraph of a package's docstring, on one line."""
    source = (ROOT / "workers" / room / "__init__.py").read_text("utf-8")
    return " ".join((ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].split())


def _imported_rooms(room: str) -> set[str]:
    """The other rooms that the modules of a room import."""
    modules = (
        node.module.split(".")
        for path in (ROOT / "workers" / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    )
    return {names[1] for names in modules if names[0] == "workers" and len(names) > 1} - {room}


def session() -> str:
    """The statements that give the roles the settings of their sessions."""
    return "\n".join(
        f"    ALTER ROLE {role} SET {name} = '{value}';"
        for role, settings in ((WORKER, SESSION), (API, API_SESSION))
        for name, value in settings.items()
    )


def operations() -> str:
    """Every operation of the HTTP API, and the codes of its own problems."""
    return _table(
        ("operation", "what it does", "answers", "codes of its own"),
        (
            (
                f"`{each.method} {each.address}`",
                each.summary,
                ", ".join(map(str, sorted(each.answers))),
                ", ".join(f"`{code}`" for code in sorted(map(str, each.codes))),
            )
            for each in OPERATIONS
        ),
    )


def problems() -> str:
    """Every code of the HTTP API's own, by its status."""
    found = sorted(STATUS_OF.items(), key=lambda item: item[1])
    return _table(("code", "status"), ((f"`{code}`", str(status)) for code, status in found))


def form_fields(fields: Iterable[FormField], *, used: bool) -> str:
    """The fields of one of Twilio's forms that have a use, or those that have none yet."""
    listed = [field for field in fields if bool(field.use) is used]
    if used:
        return _table(
            ("field", "what it is", "what the inbox makes of it"),
            ((f"`{field.name}`", field.meaning, field.use) for field in listed),
        )
    return _table(("field", "what it is"), ((f"`{field.name}`", field.meaning) for field in listed))


TABLES: dict[str, Callable[[], str]] = {
    "topics": topics,
    "types": types,
    "settings": settings,
    "metrics": metric_names,
    "codes": codes,
    "rooms": rooms,
    "session": session,
    "operations": operations,
    "problems": problems,
    "message fields": partial(form_fields, MESSAGE_FIELDS, used=True),
    "unused message fields": partial(form_fields, MESSAGE_FIELDS, used=False),
    "status fields": partial(form_fields, STATUS_FIELDS, used=True),
    "unused status fields": partial(form_fields, STATUS_FIELDS, used=False),
}


def renewed(text: str) -> str:
    """Return a document with its tables made again."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin in text:
            before, rest = text.split(begin, 1)
            text = f"{before}{begin}\n{make()}\n{end}{rest.split(end, 1)[1]}"
    return text


def main() -> int:
    """Write or check the tables. Returns the exit status."""
    check = "--check" in sys.argv
    old = []
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text("utf-8")
        if renewed(text) != text:
            old.append(name)
            if not check:
                path.write_text(renewed(text), "utf-8")
    for name in old:
        print(f"{'out of date' if check else 'written'}: {name}")
    return 1 if old and check else 0


if __name__ == "__main__":
    sys.exit(main())
