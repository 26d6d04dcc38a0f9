"""Workers with one role each do together what one with all roles does."""

from dataclasses import replace
from pathlib import Path

from tests.harness.command import environment_without_settings, run
from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.settings import Settings


async def test_the_role_api_does_not_start_where_it_would_trust_nobody() -> None:
    servers = {"INBOX_KAFKA": "127.0.0.1:1", "INBOX_DATABASE_URL": "postgresql://127.0.0.1:1/inbox"}
    environment = environment_without_settings() | servers
    for given, named in (
        ({}, "INBOX_API_ISSUER"),
        ({"INBOX_API_ISSUER": "https://login.example.com"}, "INBOX_API_AUDIENCE"),
    ):
        ended = await run(environment | given, "worker", "--roles", "api")
        assert (ended.status, ended.err.splitlines()[-1].split(": ")[:2]) == (2, ["inbox", named])


async def test_each_role_runs_alone(settings: Settings, topics: Topics, tmp_path: Path) -> None:
    workers = [
        Worker(replace(settings, web_port=free_port()), tmp_path / f"{roles}.log", roles)
        for roles in ("ingest", "relay", "send", "web")
    ]
    for worker in workers:
        await worker.start()
    try:
        statuses = [await worker.get_status("/twilio/inbound") for worker in workers]
        # Only the last has the route at all, for POST.
        assert statuses == [404, 404, 404, 405]
        info = f'inbox_info{{prefix="{settings.topic_prefix}"}} 1.0'
        for worker in workers:
            assert info in await worker.metrics()
        await topics.publish(message("whatsapp:+4911"))
        await topics.read_until("conversations", 2)
    finally:
        for worker in workers:
            await worker.stop()
