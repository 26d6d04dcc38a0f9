"""The private names of libraries that the product uses: all are listed here, and all exist.

A new version of a library may rename or remove a private name. So these libraries have upper bounds
in pyproject.toml. Where a newer version lacks a name, a test of this module fails, and shows the
name and the module that uses it.
"""

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[3]
OURS = ("db", "domain", "schemas", "workers")
SOURCES = sorted(path for package in ("db", "workers") for path in (ROOT / package).rglob("*.py"))

NAMEDTUPLE_INTERFACE = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
DOCUMENTED = {"os._exit"}
"""Names with an underscore that are part of a documented interface."""

PRIVATE_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "db/errors.py": {
        "asyncpg.exceptions": ("_base",),
        "asyncpg.exceptions._base": ("DataError",),
    },
    "db/url.py": {
        "asyncpg.connect_utils": ("_parse_connect_dsn_and_args",),
    },
    "workers/ingest/transport.py": {
        "aiokafka.consumer.fetcher:Fetcher": ("_subscriptions",),
        "aiokafka.consumer.subscription_state:Assignment": ("state_value",),
        "aiokafka.consumer.subscription_state:SubscriptionState": ("subscription",),
        "aiokafka.consumer.subscription_state:TopicPartitionState": (
            "has_valid_position",
            "position",
        ),
        "aiokafka:AIOKafkaConsumer": ("_fetcher",),
        "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread": (
            "_assignor",
            "_commit",
            "_create_worker_consumer",
            "_ensure_consumer",
            "_fetch_records",
        ),
        "faust.transport.drivers.aiokafka:Consumer": (
            "_acked",
            "_acked_index",
            "_add_gap",
            "_buffered_partitions",
            "_new_consumer_thread",
            "_new_offset",
            "_read_offset",
            "_thread",
            "_to_message",
            "_wait_next_records",
        ),
    },
    "workers/kafka/adaptive_fetch.py": {
        "aiokafka.consumer.fetcher:Fetcher": (
            "_fetch_max_wait_ms",
            "_fetch_min_bytes",
            "_proc_fetch_request",
            "_records",
        ),
        "aiokafka:AIOKafkaConsumer": (
            "_client",
            "_fetch_max_wait_ms",
            "_fetch_min_bytes",
            "_fetcher",
        ),
    },
    "workers/kafka/clients.py": {
        "aiokafka.client:AIOKafkaClient": (
            "_get_conn",
            "_metadata_update",
        ),
        "aiokafka.admin:AIOKafkaAdminClient": ("_client",),
        "aiokafka.conn:AIOKafkaConnection": ("_writer",),
        "aiokafka.producer.message_accumulator:MessageAccumulator": ("fail_all",),
        "aiokafka.producer.sender:Sender": ("sender_task",),
        "aiokafka.protocol.metadata:MetadataRequest": ("_allow_auto_topic_creation",),
        "aiokafka:AIOKafkaConsumer": ("_client",),
        "aiokafka:AIOKafkaProducer": (
            "_message_accumulator",
            "_sender",
        ),
    },
    "workers/kafka/kept_producer.py": {
        "aiokafka.producer.sender:Sender": ("sender_task",),
        "aiokafka:AIOKafkaProducer": ("_sender",),
    },
    "workers/worker/app.py": {
        "faust:App": (
            "_create_directories",
            "_new_transport",
        ),
    },
    "workers/worker/faust_settings.py": {
        "faust.tables:TableManager": ("_update_channels",),
    },
    "workers/worker/run.py": {
        "faust:Worker": ("_sentinel_task",),
    },
    "workers/worker/web.py": {
        "aiohttp.web_runner:AppRunner": ("_shutdown_timeout",),
        "aiohttp.web_runner:BaseSite": ("_backlog",),
        "faust.web.drivers.aiohttp:Web": ("_runner", "_transport_handlers"),
    },
}
"""The names that each of our modules uses, by the class or module that has them.

The public names among them are reached through a private name.
"""

DISTRIBUTIONS = {
    "aiohttp": "aiohttp",
    "aiokafka": "aiokafka",
    "asyncpg": "asyncpg",
    "faust": "faust-streaming",
}
"""The name in pyproject.toml of each library in the table."""

LISTED = [
    (path, owner, name)
    for path, owners in PRIVATE_NAMES.items()
    for owner, names in owners.items()
    for name in names
]


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMEDTUPLE_INTERFACE


def on_self(node: ast.Attribute, selves: frozenset[str] = frozenset()) -> bool:
    """Whether an attribute is one of `self`, `cls`, `super()`, or of the other names given."""
    value = node.value
    if isinstance(value, ast.Call):
        value = value.func
    return isinstance(value, ast.Name) and value.id in selves | {"self", "cls", "super"}


def made_by_class_methods(tree: ast.AST) -> frozenset[str]:
    """The names of variables to which `cls(...)` is assigned."""
    return frozenset(
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "cls"
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def names_in(tree: ast.AST) -> set[str]:
    """The names that a class defines, and those that it uses on `self`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and on_self(node):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@cache
def names_of(owner: object) -> frozenset[str]:
    """The names of a module, or of a class and its objects."""
    if not isinstance(owner, type):
        return frozenset(dir(owner))
    names = set(dir(owner))
    for each in owner.__mro__:
        try:
            names |= names_in(ast.parse(textwrap.dedent(inspect.getsource(each))))
        except (OSError, TypeError):  # a class that is written in C
            continue
    return frozenset(names)


def is_foreign(class_: type) -> bool:
    return class_.__module__.partition(".")[0] not in OURS


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The parts of all names that an import statement has."""
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names.append(node.module or "")
    for name in names:
        if name.partition(".")[0] not in OURS:
            yield from name.split(".")


def used(path: Path) -> Iterator[str]:
    """The private names of libraries that a module of ours uses."""
    tree = ast.parse(path.read_text("utf-8"))
    selves = made_by_class_methods(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from filter(private, imported(node))
        elif isinstance(node, ast.ClassDef) and node.bases:
            yield from used_of_bases(path, node)
        elif (
            isinstance(node, ast.Attribute)
            and private(node.attr)
            # Our own objects use no private name of each other.
            and not on_self(node, selves)
            and ast.unparse(node) not in DOCUMENTED
        ):
            yield node.attr


def used_of_bases(path: Path, node: ast.ClassDef) -> Iterator[str]:
    """The private names that a class of ours shares with its foreign bases."""
    names = set(filter(private, names_in(node)))
    if not names:
        return
    module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    class_ = getattr(importlib.import_module(module), node.name)
    for base in filter(is_foreign, class_.__mro__):
        yield from names & names_of(base)


def test_every_private_name_that_the_product_uses_is_listed() -> None:
    found = {(path.relative_to(ROOT).as_posix(), name) for path in SOURCES for name in used(path)}
    listed = {(path, name) for path, _, name in LISTED if private(name)}
    assert sorted(found - listed) == []
    assert sorted(listed - found) == []


@pytest.mark.parametrize(("path", "owner", "name"), LISTED)
def test_a_private_name_exists(path: str, owner: str, name: str) -> None:
    assert name in names_of(resolve_name(owner)), f"{path} uses it"


def test_every_library_of_the_table_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    required = {re.split(r"[^\w-]", line)[0]: line for line in project["dependencies"]}
    libraries = {re.split(r"[.:]", owner)[0] for _, owner, _ in LISTED}
    assert libraries == DISTRIBUTIONS.keys()
    unbounded = [name for name in DISTRIBUTIONS.values() if "<" not in required[name]]
    assert unbounded == []
