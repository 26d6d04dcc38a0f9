"""The house rules of the code: tools, short modules, a test of its name for each module."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "domain", "db", "workers")

ROOMS_MAX = 18
"""How many rooms workers/ may have. With more, a reader has no picture of it any more."""

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 300
_SQL = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|TRUNCATE|WITH|GRANT|COPY"
    r"|BEGIN|COMMIT|ROLLBACK|LISTEN|NOTIFY|LOCK|SET)(\s+[A-Za-z_\"*$(]|;|$)"
)

WITH_CODE = {"db/queries/__init__.py", "workers/cli/__init__.py", "workers/settings/__init__.py"}
"""The `__init__` files with code: it loads the queries, starts `inbox`, re-exports the settings."""


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


SOURCES = modules(*PACKAGES)
BENCH, TESTS = modules("bench"), modules("tests")

TESTED_ELSEWHERE = {
    "db/commands.py": ("integration/db/test_history.py", "integration/periodic/test_upkeep.py"),
    "db/conversations.py": ("e2e/test_story.py", "simulation/test_histories.py"),
    "db/databases.py": ("integration/db/test_schema.py",),
    "db/directory.py": ("e2e/test_story.py", "simulation/test_histories.py"),
    "db/directory_lists.py": (
        "integration/api/operations/test_channels.py",
        "integration/api/operations/test_users.py",
    ),
    "db/history_pages.py": ("integration/api/operations/test_history.py",),
    "db/identities.py": ("integration/agents/test_contact_addresses_races.py",),
    "db/installation.py": (
        "integration/cli/test_adopt.py",
        "integration/worker/test_installation_check.py",
    ),
    "db/links.py": ("e2e/test_links.py", "e2e/test_notes.py"),
    "db/messages.py": ("e2e/test_story.py", "simulation/test_histories.py"),
    "db/overview.py": ("e2e/test_dev.py", "integration/cli/test_erase.py"),
    "db/positions.py": ("integration/ingest/test_batch_loop_positions.py",),
    "db/redrives.py": ("integration/dead_letters/test_redrive.py",),
    "db/session.py": ("integration/db/test_connect_urls.py", "integration/db/test_poolers.py"),
    "db/seen.py": (
        "integration/api/operations/test_seen.py",
        "integration/periodic/test_upkeep.py",
    ),
    "db/sends.py": ("integration/sending/test_sender.py",),
    "db/windows.py": ("integration/periodic/test_window_warnings.py",),
    "domain/conversation_state.py": ("unit/domain/test_lifecycle_deletion.py",),
    "domain/verdict.py": ("unit/domain/test_commands_checks.py",),
    "schemas/commands.py": ("unit/schemas/test_examples.py",),
    "schemas/conversations.py": ("unit/schemas/test_examples.py",),
    "schemas/directory.py": ("unit/schemas/test_examples.py",),
    "schemas/links.py": ("unit/schemas/test_examples.py",),
    "schemas/notes.py": ("unit/schemas/test_examples.py",),
    "schemas/notifications.py": ("unit/schemas/test_examples.py",),
    "workers/agents/conversation_states.py": (
        "integration/agents/test_contact_addresses_races.py",
    ),
    "workers/agents/delivery_receipts.py": (
        "integration/sending/test_settlement_receipts.py",
        "integration/sending/test_settlement_statuses.py",
    ),
    "workers/agents/directory_cache.py": ("integration/agents/test_contact_addresses_races.py",),
    "workers/agents/directory_changes.py": (
        "integration/agents/test_contact_addresses_races.py",
        "integration/periodic/test_gone_assignees.py",
    ),
    "workers/agents/note_changes.py": ("e2e/test_notes.py",),
    "workers/agents/work.py": ("unit/workers/agents/test_table.py",),
    "workers/api/caller.py": ("integration/api/test_me.py",),
    "workers/api/operation.py": ("unit/workers/api/test_handling.py",),
    "workers/api/events/published.py": ("unit/workers/api/events/test_journal.py",),
    "workers/api/events/round.py": ("integration/api/events/test_story.py",),
    "workers/api/events/user_watch.py": ("integration/api/events/test_streams.py",),
    "workers/api/operations/events.py": ("integration/api/events/test_streams.py",),
    "workers/api/operations/document.py": ("unit/workers/api/test_openapi.py",),
    "workers/api/operations/me.py": ("integration/api/test_me.py",),
    "workers/api/postgres_watch.py": ("integration/worker/test_api_role.py",),
    "workers/api/service.py": ("integration/api/test_me.py",),
    "workers/api/operations/sections.py": ("integration/api/operations/test_conversations.py",),
    "workers/cli/dead_letters.py": (
        "integration/dead_letters/test_reader.py",
        "integration/dead_letters/test_redrive.py",
    ),
    "workers/cli/worker.py": ("integration/worker/test_roles.py",),
    "workers/dev/embedded/process.py": ("integration/dev/embedded/test_guard.py",),
    "workers/dev/hints.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/actors.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/acts.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/applied.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/crm.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/day.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/directory.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/story.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/summary.py": ("e2e/test_dev.py",),
    "workers/dev/sales_day/webhook.py": ("e2e/test_dev.py",),
    "workers/dev/worker_child.py": ("e2e/test_dev.py",),
    "workers/dev/twilio_stand_in/callbacks.py": ("integration/twilio/test_mock_callbacks.py",),
    "workers/dev/twilio_stand_in/errors.py": ("integration/twilio/test_mock_refusals.py",),
    "workers/dev/twilio_stand_in/listing.py": ("integration/twilio/test_mock_library.py",),
    "workers/dev/twilio_stand_in/messages.py": ("integration/twilio/test_conformance.py",),
    "workers/dev/twilio_stand_in/sends.py": ("integration/twilio/test_mock_refusals.py",),
    "workers/dev/twilio_stand_in/server.py": ("integration/twilio/test_mock_library.py",),
    "workers/follow/follower.py": ("integration/cli/test_watch.py",),
    "workers/kafka/installation.py": ("integration/worker/test_installation_check.py",),
    "workers/kafka/topic_log.py": (
        "integration/cli/test_rebuild_history.py",
        "integration/dead_letters/test_reader.py",
    ),
    "workers/kafka/records.py": ("unit/test_fuzz_inputs.py",),
    "workers/outbox/progress_marker.py": (
        "integration/security/test_kafka_security.py",
        "simulation/test_histories.py",
    ),
    "workers/outbox/relay.py": ("integration/outbox/test_shard_stop.py",),
    "workers/process/errors.py": ("integration/cli/test_failures.py",),
    "workers/process/hooks.py": ("simulation/test_histories.py",),
    "workers/process/metrics.py": ("integration/ingest/test_batch_loop.py",),
    "workers/settings/declared.py": ("unit/workers/settings/test_settings.py",),
    "workers/webhooks/channel_cache.py": ("integration/webhooks/test_routes_inbound.py",),
    "workers/webhooks/delivery.py": ("integration/webhooks/spool/test_spool_outages.py",),
    "workers/webhooks/receiver.py": ("integration/webhooks/spool/test_spool_outages.py",),
    "workers/worker/app.py": ("integration/worker/test_outages.py",),
    "workers/worker/database.py": ("integration/worker/test_outages.py",),
    "workers/worker/faust_app.py": ("integration/cli/test_passthrough.py",),
    "workers/worker/faust_settings.py": ("integration/security/test_kafka_security.py",),
    "workers/worker/role.py": ("integration/worker/test_roles.py",),
    "workers/worker/run.py": ("integration/security/test_kafka_security.py",),
}
"""Modules without a test of their name, and the tests (below tests/) that test them."""


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
    checked = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


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


@pytest.mark.parametrize("path", SOURCES + BENCH, ids=named)
def test_functions_are_short(path: Path) -> None:
    long = {
        f"{named(path)}:{node.lineno} {node.name}": lines
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) >= FUNCTION_LINES_MAX
    }
    assert long == {}


@pytest.mark.parametrize("path", SOURCES + BENCH + TESTS, ids=named)
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


@pytest.mark.parametrize("path", SOURCES + BENCH, ids=named)
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


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_import_is_for_types_alone(path: Path) -> None:
    # Such an import hides a circle of modules.
    assert "TYPE_CHECKING" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.name == "__init__.py"], ids=named
)
def test_an_init_file_has_only_a_docstring(path: Path) -> None:
    # Code in it would make each import of a room import much of the room.
    has_code = len(ast.parse(path.read_text(encoding="utf-8")).body) > 1
    assert has_code == (named(path) in WITH_CODE)


def test_the_rooms_of_workers_are_few() -> None:
    rooms = [path.parent.name for path in (ROOT / "workers").glob("*/__init__.py")]
    assert len(rooms) <= ROOMS_MAX, sorted(rooms)


def test_every_folder_of_the_product_is_a_package() -> None:
    # Otherwise the wheel lacks it.
    assert [named(path) for path in SOURCES if not path.with_name("__init__.py").exists()] == []


ADDRESSED = [path for path in SOURCES if path.name not in {"__init__.py", "__main__.py"}]


def address(path: Path) -> list[Path]:
    """Returns the test files that have the name and the place of a module."""
    package, *rooms = path.relative_to(ROOT).parent.parts
    integration = rooms if package == "workers" else [package, *rooms]
    folders = (Path("unit", package, *rooms), Path("integration", *integration))
    return [
        test
        for folder in folders
        for pattern in (f"test_{path.stem}.py", f"test_{path.stem}_*.py")
        for test in (ROOT / "tests" / folder).glob(pattern)
    ]


@pytest.mark.parametrize("path", ADDRESSED, ids=named)
def test_every_module_has_a_test_of_its_name_or_an_entry_in_the_table(path: Path) -> None:
    has_address, has_entry = bool(address(path)), named(path) in TESTED_ELSEWHERE
    assert has_address or has_entry, "write a test of its name, or enter the file that tests it"
    assert not (has_address and has_entry), "it has a test of its name: remove its entry"


def test_the_table_names_modules_and_tests_that_exist() -> None:
    assert set(TESTED_ELSEWHERE) <= set(map(named, ADDRESSED))
    tests = {test for tests in TESTED_ELSEWHERE.values() for test in tests}
    assert [test for test in sorted(tests) if not (ROOT / "tests" / test).is_file()] == []
    assert [module for module, tests in TESTED_ELSEWHERE.items() if not tests] == []
