"""The servers of a run (Postgres, Kafka, the mock of Twilio), and proxies before them.

Only workers connect through the proxies. The traffic and the checker connect directly.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from bench.load.input_events import ACCOUNT
from bench.mock_twilio import RemoteTwilio
from bench.mock_twilio.account import SID, TOKEN
from tests.faults.proxy import Proxy
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.stack import DATABASE, prepare, with_database
from workers.settings import Settings, required
from workers.settings.values import TwilioAccount

PARTITIONS = 4
REQUEST_ATTEMPTS = 5


class ProxiedKafka(EmbeddedKafka):
    """A Kafka with a second listener, which is advertised at the address of a proxy."""

    def __init__(self, directory: Path, proxy_port: int) -> None:
        super().__init__(directory)
        self._proxy_port = proxy_port
        self.proxied_port = free_port()
        """The port of the second listener, to which the proxy connects."""

    def _write_settings(self, name: str, data: Path) -> Path:
        file = super()._write_settings(name, data)
        settings = dict(line.split("=", 1) for line in file.read_text().splitlines())
        settings["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"
        settings["listeners"] += f",PROXIED://{HOST}:{self.proxied_port}"
        settings["advertised.listeners"] = (
            f"BROKER://{self.bootstrap},PROXIED://{HOST}:{self._proxy_port}"
        )
        # The shortest session that a worker may request: so silent workers are replaced soon.
        settings["group.min.session.timeout.ms"] = "3000"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file


class RetryingTwilio(RemoteTwilio):
    """The mock of Twilio. A request is repeated if a kept connection turns out to be closed."""

    async def _request(self, method: str, path: str, value: Any = None) -> bytes:
        for _ in range(REQUEST_ATTEMPTS - 1):
            with suppress(aiohttp.ClientError):
                return await super()._request(method, path, value)
        return await super()._request(method, path, value)


@dataclass
class Servers:
    """The servers that workers need, the proxies, and the settings of both ways."""

    directory: Path
    postgres: EmbeddedPostgres
    kafka: ProxiedKafka
    twilio: RetryingTwilio
    postgres_proxy: Proxy
    kafka_proxy: Proxy
    front: Proxy
    """The address for Twilio's callbacks: passes webhooks on to workers that run."""
    direct: Settings
    """For the traffic and the checker."""
    proxied: Settings
    """For workers."""

    @property
    def superuser_url(self) -> str:
        """The URL of the run's database for the superuser."""
        return urlunsplit(urlsplit(self.postgres.superuser_url)._replace(path=f"/{DATABASE}"))

    def heal(self) -> None:
        """Make all proxies only pass data on."""
        for proxy in (self.postgres_proxy, self.kafka_proxy, self.front):
            proxy.heal()


@asynccontextmanager
async def servers(directory: Path, workers: Callable[[], Sequence[int]]) -> AsyncIterator[Servers]:
    """Start all servers. `workers` returns the ports of the workers that take webhooks."""
    postgres = EmbeddedPostgres(directory / "postgres")
    postgres_proxy = Proxy(lambda: [postgres.port], ["commit"])
    kafka_proxy = Proxy(lambda: [kafka.proxied_port], ["produce", "end-transaction"])
    kafka = ProxiedKafka(directory / "kafka", kafka_proxy.port)
    front = Proxy(workers)
    twilio = RetryingTwilio(directory / "ledger.jsonl")
    try:
        async with postgres_proxy, kafka_proxy, front, twilio:
            await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(kafka.start))
            direct = await _prepared(directory, postgres, kafka, twilio=twilio, front=front)
            url = urlsplit(required(direct.database_url, "database"))
            through = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{postgres_proxy.port}")
            proxied = replace(
                direct,
                kafka=(f"{HOST}:{kafka_proxy.port}",),
                database_url=urlunsplit(through),
            )
            yield Servers(
                directory,
                postgres,
                kafka,
                twilio,
                postgres_proxy,
                kafka_proxy,
                front,
                direct,
                proxied,
            )
    finally:
        await asyncio.gather(asyncio.to_thread(kafka.stop), asyncio.to_thread(postgres.stop))


async def _prepared(
    directory: Path,
    postgres: EmbeddedPostgres,
    kafka: EmbeddedKafka,
    twilio: RemoteTwilio,
    front: Proxy,
) -> Settings:
    """Migrate the database, create the topics, and return the settings."""
    settings = replace(
        Settings.from_environment({}),
        kafka=(kafka.bootstrap,),
        partitions=PARTITIONS,
        public_url=f"http://{HOST}:{front.port}",
        data_dir=directory / "data",
        twilio_accounts={SID: TwilioAccount(account_id=ACCOUNT, auth_token=TOKEN)},
        twilio_api_url=twilio.url,
        send_rates={"": 10_000.0},
        sends_in_flight=16,
        log_level="INFO",
    )
    settings = await with_database(settings, postgres, DATABASE)
    await prepare(settings)
    return settings
