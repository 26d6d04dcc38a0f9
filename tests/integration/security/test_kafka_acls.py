"""The ACLs that the workers and a publisher need in Kafka: they are enough."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from tests.harness.api import ROLES, ApiClient, trusting
from tests.harness.certificates import Certificates
from tests.harness.command import inbox
from tests.harness.input_events import channel, message, user
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio
from tests.harness.waiting import until
from tests.harness.webhook_forms import SMS, messages
from tests.harness.worker import Worker
from workers.dev.embedded.kafka import EmbeddedKafka, SecureListeners
from workers.dev.embedded.ports import free_port
from workers.kafka.clients import client_arguments
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings

TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
LITERAL, PREFIXED = 3, 4
READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 5, 8, 10
ALLOW = 3
"""Codes of Kafka's `ResourceType`, `PatternType`, `AclOperation` and `AclPermissionType`."""

PASSWORDS = {"inbox": "of-the-workers", "sales": "of-a-publisher"}


class Guarded(NamedTuple):
    """A Kafka with ACLs.

    Clients of its plain listener may do anything; those of the other one authenticate.
    """

    trusted: Settings
    listeners: SecureListeners

    def as_user(self, name: str) -> Settings:
        """Returns the settings with which a user connects."""
        return replace(
            self.trusted,
            kafka=(self.listeners.bootstrap("SASL_PLAINTEXT"),),
            security_protocol="SASL_PLAINTEXT",
            kafka_username=name,
            kafka_password=PASSWORDS[name],
        )

    def documented(self) -> Iterable[tuple[str, int, str, int, int]]:
        """Yield the ACLs of docs/security.md: user, resource, name, pattern, operation."""
        prefix = self.trusted.topic_prefix
        for operation in (READ, WRITE, DESCRIBE, CREATE, DESCRIBE_CONFIGS):
            yield "inbox", TOPIC, prefix, PREFIXED, operation
        yield "inbox", GROUP, self.trusted.group, LITERAL, READ
        for operation in (WRITE, DESCRIBE):
            yield "inbox", TRANSACTIONAL_ID, f"{prefix}relay-", PREFIXED, operation
        for topic in ("messages.received", "directory"):
            yield "sales", TOPIC, prefix + topic, LITERAL, WRITE

    async def allow(self) -> None:
        """Create the ACLs."""
        admin = AIOKafkaAdminClient(**client_arguments(self.trusted))
        await admin.start()
        try:
            for user, resource, name, pattern, operation in self.documented():
                who = (f"User:{user}", "*")
                request = CreateAclsRequest(resource, name, pattern, *who, operation, ALLOW)
                answer = await admin._send_to_controller(request)
                assert [code for code, _ in answer.creation_responses] == [0]
        finally:
            await admin.close()


@pytest.fixture
async def guarded(database: Settings, tmp_path: Path) -> AsyncIterator[Guarded]:
    """A Kafka whose users may do only what the documentation lists."""
    certificates = Certificates.make(tmp_path / "certificates")
    keystore = tmp_path / "keystore.pem"
    keystore.write_bytes(certificates.keystore())
    listeners = SecureListeners(
        {"SASL_PLAINTEXT": free_port()}, PASSWORDS, keystore, certificates.authority, True
    )
    with EmbeddedKafka(tmp_path / "kafka", secure=listeners) as kafka:
        port = free_port()
        trusted = Settings.from_environment(
            database.environment()
            | {
                "INBOX_KAFKA": kafka.bootstrap,
                "INBOX_PARTITIONS": "4",
                "INBOX_WEB_PORT": str(port),
                "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
                "INBOX_TWILIO_ACCOUNTS": '{"AC00000000000000000000000000000000": '
                '{"account_id": "acme", "auth_token": "12345"}}',
            }
        )
        made = Guarded(trusted, listeners)
        await ensure_topics(trusted)
        await made.allow()
        yield made


async def test_with_the_acls_that_are_documented_all_works_and_nothing_else_may_be_written(
    guarded: Guarded, owner: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    worker = Worker(trusting(guarded.as_user("inbox")), tmp_path / "worker.log", ROLES)
    await worker.start()
    try:
        async with Topics(guarded.as_user("sales")) as sales, aiohttp.ClientSession() as session:
            sms = channel(CHANNELS["sms1"], channel_id="sms1")
            await sales.publish(user("ana"), sms, message("+49"))
            await messages(owner, 1)
            twilio = Twilio(guarded.trusted.public_url, session)
            assert await twilio.post(SMS) == 204
            await messages(owner, 2)
            async with ApiClient(guarded.trusted) as ana:
                await until(lambda: _changes(ana), "a change through the API")
            sent = await inbox(guarded.as_user("sales"), "send", stdin=message("+49").value)
            assert sent.status == 0, sent.err
            for topic in ("relay", "conversations", "results", "lifecycle"):
                with pytest.raises(TopicAuthorizationFailedError):
                    await sales.publish_raw(topic, b"{}")
        assert (await inbox(guarded.as_user("inbox"), "topics")).status == 0
        assert (await inbox(guarded.as_user("inbox"), "doctor")).status == 0
        seen = await inbox(guarded.as_user("sales"), "doctor")
        assert seen.status == 1
        [line] = [line for line in seen.lines if "  topics  " in line]
        assert "Error 29" in line  # may not see configurations
        async with Topics(guarded.trusted) as trusted:
            await trusted.publish_raw("messages.received", b"{")
            assert len(await trusted.read_until("conversations", 5)) == 5
            assert len(await trusted.read_until("dead-letters", 1)) == 1
    finally:
        await worker.stop()
    log = worker.log.read_text()
    assert "Authorization" not in log
    assert "spool" not in log


async def _changes(ana: ApiClient) -> bool:
    return (await ana.put("/me/availability", {"available": False})).status == 200
