"""Kafka with TLS, with passwords, and with both; and the error when one of them is wrong."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest
from aiokafka.errors import KafkaError

from schemas.directory import UserRemoved
from schemas.fields import AccountId, UserId
from tests.conftest import PARTITIONS
from tests.harness.certificates import Certificates
from tests.harness.command import inbox
from tests.harness.input_events import channel, conversation, message, user
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio
from tests.harness.waiting import until
from tests.harness.webhook_forms import SMS, messages
from tests.harness.worker import Worker
from workers.dead_letters.reader import DeadLetterReader
from workers.dev.embedded.kafka import EmbeddedKafka, SecureListeners
from workers.dev.embedded.ports import free_port
from workers.follow.follower import FOLLOWED_TOPICS, Follower
from workers.kafka.publisher import Publisher
from workers.kafka.topic_admin import ensure_topics
from workers.outbox.progress_marker import read_marker
from workers.settings import Settings
from workers.settings.kafka_security import PREFIX

pytestmark = pytest.mark.seconds(55)

PASSWORD, WRONG = "pass-w0rd-of-the-inbox", "n0t-the-passw0rd"

_numbers = itertools.count(1)


class Secured(NamedTuple):
    """A Kafka, with its certificates and those of its clients."""

    listeners: SecureListeners
    certificates: Certificates


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A Kafka with a listener for each protocol."""
    directory = tmp_path_factory.mktemp("secured-kafka")
    certificates = Certificates.make(directory / "certificates")
    keystore = directory / "keystore.pem"
    keystore.write_bytes(certificates.keystore())
    listeners = SecureListeners(
        {protocol: free_port() for protocol in ("SSL", "SASL_PLAINTEXT", "SASL_SSL")},
        {"inbox": PASSWORD},
        keystore,
        certificates.authority,
    )
    with EmbeddedKafka(directory / "kafka", secure=listeners):
        yield Secured(listeners, certificates)


def _settings(
    database: Settings, secured: Secured, protocol: str, mechanism: str = "SCRAM-SHA-512"
) -> Settings:
    """Returns the settings of a database and of a Kafka that is reached by a protocol."""
    name, port = f"secure{next(_numbers)}", free_port()
    environment = database.environment() | {
        "INBOX_KAFKA": secured.listeners.bootstrap(protocol),
        "INBOX_KAFKA_SECURITY_PROTOCOL": protocol,
        "INBOX_TOPIC_PREFIX": f"{name}.",
        "INBOX_GROUP": name,
        "INBOX_PARTITIONS": str(PARTITIONS),
        "INBOX_WEB_PORT": str(port),
        "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "INBOX_LOG_LEVEL": "DEBUG",
        "INBOX_TWILIO_ACCOUNTS": '{"AC00000000000000000000000000000000": '
        '{"account_id": "acme", "auth_token": "12345"}}',
    }
    if protocol != "SASL_PLAINTEXT":
        environment["INBOX_KAFKA_SECURITY_CAFILE"] = str(secured.certificates.authority)
    if protocol == "SSL":
        environment["INBOX_KAFKA_SECURITY_CERTFILE"] = str(secured.certificates.client)
    else:
        environment |= {
            "INBOX_KAFKA_SECURITY_SASL_MECHANISM": mechanism,
            "INBOX_KAFKA_SECURITY_USERNAME": "inbox",
            "INBOX_KAFKA_SECURITY_PASSWORD": PASSWORD,
        }
    return Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("SSL", ""),
        ("SASL_PLAINTEXT", "PLAIN"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("SASL_SSL", "PLAIN"),
        ("SASL_SSL", "SCRAM-SHA-256"),
        ("SASL_SSL", "SCRAM-SHA-512"),
    ],
)
async def test_every_client_reaches_kafka_by_every_protocol(
    database: Settings, secured: Secured, protocol: str, mechanism: str
) -> None:
    settings = _settings(database, secured, protocol, mechanism)
    assert len(await ensure_topics(settings)) > len(FOLLOWED_TOPICS)
    async with Topics(settings) as topics:
        await topics.publish_raw("dead-letters", b"{}")
        assert len(await topics.read("dead-letters")) == 1
    async with Follower(settings, ["dead-letters"], from_start=True) as follower:
        assert len(await follower.read_to_end()) == 1
    async with DeadLetterReader(settings) as log:
        assert [len(records) async for records in log.records()] == [1]
    assert await read_marker(settings, 0) is None


@pytest.mark.parametrize(
    "reached", [("SASL_SSL", "SCRAM-SHA-512"), ("SASL_SSL", "PLAIN"), ("SSL", "")], ids=" ".join
)
async def test_a_worker_takes_a_message_and_tells_of_its_conversation(
    database: Settings,
    secured: Secured,
    owner: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
    reached: tuple[str, str],
) -> None:
    settings = _settings(database, secured, *reached)
    await ensure_topics(settings)
    log = tmp_path / "worker.log"
    worker = Worker(settings, log)
    await worker.start()
    try:
        async with Topics(settings) as topics, aiohttp.ClientSession() as session:
            await topics.publish(user("ana"), channel(CHANNELS["sms1"], channel_id="sms1"))
            await topics.publish(message("+49", "between-you-and-me"))
            await messages(owner, 1)
            assert await Twilio(settings.public_url, session).post(SMS) == 204
            records = await topics.read_until("conversations", 4)
            assert sorted(read.kind for read in records) == [
                "conversation.created",
                "conversation.created",
                "conversation.message_recorded",
                "conversation.message_recorded",
            ]
            assert conversation("+49") in {read.data["conversation_id"] for read in records}
    finally:
        await worker.stop()
    logged = log.read_text()
    assert "DEBUG" in logged
    assert PASSWORD not in logged
    assert "between-you-and-me" not in logged


async def test_commands_that_publish_reach_kafka_too(
    database: Settings, secured: Secured, tmp_path: Path
) -> None:
    settings = _settings(database, secured, "SASL_SSL")
    await ensure_topics(settings)
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start()
    try:
        async with Topics(settings) as topics, Publisher(settings, "/tests") as publisher:
            await topics.publish_raw("lifecycle", b"{")
            (letter,) = await topics.read_until("dead-letters", 1)
            place = f"{letter.partition}:{letter.offset}"
            redriven = await inbox(settings, "dead-letters", "redrive", place)
            assert redriven.status == 0, redriven.err
            assert len(await topics.read_until("dead-letters", 2)) == 2
            sent = await inbox(settings, "send", stdin=user("ana").value)
            assert sent.status == 0, sent.err
            removed = UserRemoved(account_id=AccountId("acme"), user_id=UserId("ana"))
            await publisher.publish(removed, datetime.now(UTC))
            kinds = [read.kind for read in await topics.read("directory")]
            assert kinds == ["user.upserted", "user.removed"]
    finally:
        await worker.stop()


async def test_a_wrong_password_ends_a_worker_with_a_line_that_says_so(
    database: Settings, secured: Secured, tmp_path: Path
) -> None:
    settings = replace(_settings(database, secured, "SASL_SSL"), kafka_password=WRONG)
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start(ready=False)

    async def ended() -> bool:
        return worker.process.poll() is not None

    await until(ended, "the end of the worker")
    assert worker.process.returncode == 1
    log = worker.log.read_text()
    assert "Authentication failed during authentication due to invalid credentials" in log
    assert WRONG not in log


async def test_a_worker_for_webhooks_alone_says_again_and_again_that_the_password_is_wrong(
    database: Settings, secured: Secured, tmp_path: Path
) -> None:
    settings = replace(_settings(database, secured, "SASL_SSL", "PLAIN"), kafka_password=WRONG)
    worker = Worker(settings, tmp_path / "worker.log", "web")
    await worker.start()

    async def logged_twice() -> bool:
        return worker.log.read_text().count("Authentication failed") > 1

    try:
        await until(logged_twice, "an error")
    finally:
        await worker.stop()
    assert WRONG not in worker.log.read_text()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PASSWORD", WRONG, "Authentication failed"),
        ("USERNAME", "nobody", "Authentication failed"),
        ("CAFILE", "", "certificate verify failed"),
        ("CAFILE", "<stranger>", "certificate verify failed"),
    ],
)
async def test_a_command_says_why_kafka_cannot_be_reached(
    database: Settings, secured: Secured, name: str, value: str, reason: str
) -> None:
    given = value.replace("<stranger>", str(secured.certificates.stranger))
    right = _settings(database, secured, "SASL_SSL").environment()
    completed = await inbox(Settings.from_environment(right | {PREFIX + name: given}), "topics")
    assert completed.status == 1
    assert reason in completed.err
    assert "Traceback" not in completed.err
    assert PASSWORD not in completed.err
    assert WRONG not in completed.err


async def test_a_broker_with_another_name_in_its_certificate_is_not_trusted(
    database: Settings, tmp_path: Path
) -> None:
    certificates = Certificates.make(tmp_path / "certificates")
    ports, users = {"SASL_SSL": free_port()}, {"inbox": PASSWORD}
    listeners = SecureListeners(ports, users, certificates.elsewhere, certificates.authority)
    with EmbeddedKafka(tmp_path / "kafka", secure=listeners):
        settings = _settings(database, Secured(listeners, certificates), "SASL_SSL")
        completed = await inbox(settings, "topics")
    assert completed.status == 1
    assert "IP address mismatch" in completed.err


async def test_a_client_without_a_certificate_is_turned_away_where_one_is_demanded(
    database: Settings, secured: Secured
) -> None:
    settings = replace(_settings(database, secured, "SSL"), kafka_certfile=None)
    with pytest.raises((KafkaError, OSError)):
        await ensure_topics(settings)


async def test_the_password_is_not_shown(database: Settings, secured: Secured) -> None:
    settings = _settings(database, secured, "SASL_SSL")
    shown = await inbox(settings, "config")
    assert "INBOX_KAFKA_SECURITY_PASSWORD=(set)" in shown.lines
    assert "INBOX_KAFKA_SECURITY_USERNAME=inbox" in shown.lines
    assert PASSWORD not in shown.out + shown.err + repr(settings)
