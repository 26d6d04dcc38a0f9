"""`inbox doctor`: a line for each check, whatever becomes of it, in limited time."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module

import pytest

from workers.doctor.checks import CHECKS, Check, Wrong
from workers.process.errors import CommandFailed
from workers.settings import Settings

doctor = import_module("workers.cli.doctor")
"""The module; `workers.cli` has the command by this name."""


def check(outcome: str | Exception, name: str = "kafka", needs: tuple[str, ...] = ()) -> Check:
    """Returns a check with an outcome."""

    async def run(_settings: Settings) -> str:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Check(name, run, "do this", needs)


async def forever(_settings: Settings) -> str:
    """A server that takes a connection, and never answers."""
    await asyncio.Event().wait()
    return "never"


Checked = Callable[..., Awaitable[tuple[int, list[str]]]]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checked:
    """Runs checks. Returns the exit status and the lines."""

    async def run(*checks: Check) -> tuple[int, list[str]]:
        monkeypatch.setattr(doctor, "CHECKS", checks)
        monkeypatch.setattr(doctor, "CHECK_SECONDS", 0.2)
        status = await doctor._check_all()
        return status, capsys.readouterr().out.splitlines()

    return run


async def test_what_is_right_is_ok(checked: Checked) -> None:
    assert await checked(check("answers")) == (0, ["ok     kafka      answers"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Wrong("it is away"), "it is away"),
        (CommandFailed("these differ:\none\ntwo"), "these differ: one; two"),
        (Wrong("x" * 301), "x" * 300 + "..."),
        (OSError("connection refused"), "Postgres does not answer: connection refused"),
        (TimeoutError(), "Postgres does not answer: TimeoutError"),
        (KeyError("s3cr3t"), "failed: KeyError"),
    ],
    ids=repr,
)
async def test_what_is_wrong_is_one_line_with_what_to_do(
    checked: Checked, error: Exception, said: str
) -> None:
    assert await checked(check(error)) == (1, [f"WRONG  kafka      {said} -> do this"])


async def test_a_server_that_never_answers_is_given_up(checked: Checked) -> None:
    status, lines = await checked(Check("kafka", forever, "do this"), check("fine", "postgres"))
    assert (status, lines) == (
        1,
        [
            "WRONG  kafka      no answer within 0 s -> do this",
            "ok     postgres   fine",
        ],
    )


async def test_what_needs_something_wrong_is_not_checked(checked: Checked) -> None:
    status, lines = await checked(
        check(Wrong("away")),
        check("never seen", "topics", ("kafka",)),
        check("never seen", "positions", ("topics",)),
    )
    assert (status, lines[1:]) == (
        1,
        [
            "-      topics     not checked, because of: kafka",
            "-      positions  not checked, because of: topics",
        ],
    )


def test_each_check_needs_earlier_ones_only() -> None:
    names = [each.name for each in CHECKS]
    assert len(set(names)) == len(names)
    for number, each in enumerate(CHECKS):
        assert set(each.needs) <= set(names[:number])
        assert len(each.name) <= 9
