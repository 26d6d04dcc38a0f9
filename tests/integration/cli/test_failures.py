"""A command that fails prints one line, and its exit status shows the kind of the failure."""

import os
from dataclasses import replace

import pytest

from tests.harness.command import environment_without_settings, inbox, run
from tests.harness.input_events import message
from workers.settings import Settings


@pytest.mark.parametrize("command", ["config", "migrate", "topics", "worker", "send"])
async def test_a_wrong_setting_is_named_and_exits_with_2(command: str) -> None:
    ended = await run(dict(os.environ) | {"INBOX_PARTITIONS": "many"}, command)
    assert ended.status == 2
    assert ended.err == "inbox: INBOX_PARTITIONS: must be a whole number from 1 to 10000\n"


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["worker"], "INBOX_KAFKA"),
        (["topics"], "INBOX_KAFKA"),
        (["send"], "INBOX_KAFKA"),
        (["dead-letters", "list"], "INBOX_KAFKA"),
        (["dead-letters", "redrive", "--all"], "INBOX_KAFKA"),
        (["migrate"], "INBOX_DATABASE_URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
async def test_a_missing_setting_is_named_and_exits_with_2(
    arguments: list[str], variable: str
) -> None:
    ended = await run(environment_without_settings(), *arguments)
    assert ended.status == 2
    assert ended.err == f"inbox: {variable}: is not set, and this command needs it\n"


async def test_a_kafka_that_does_not_answer_is_one_line(settings: Settings) -> None:
    nowhere = replace(settings, kafka=("127.0.0.1:1",))
    sent = await inbox(nowhere, "send", stdin=message("+4911").value)
    assert (sent.status, sent.out) == (1, "")
    assert sent.err.splitlines()[-1].startswith("inbox: Kafka does not answer: ")
    assert "Traceback" not in sent.err


@pytest.mark.parametrize(
    "arguments",
    [["send"], ["dead-letters", "list"], ["dead-letters", "redrive", "--all"]],
    ids=" ".join,
)
async def test_topics_that_are_missing_are_said_at_once(
    settings: Settings, arguments: list[str]
) -> None:
    nowhere = replace(settings, topic_prefix="nowhere.")
    ended = await inbox(nowhere, *arguments, stdin=message("+4911").value)
    assert (ended.status, ended.out) == (1, "")
    [line] = ended.err.splitlines()
    assert line.startswith("inbox: nowhere.")
    assert line.endswith(": no such topic, run `inbox topics`")
