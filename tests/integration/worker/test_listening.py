"""A worker serves on every kind of address, and says in one line where it cannot."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.harness.command import Completed, inbox
from tests.harness.ipv6 import HAS_IPV6
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

IPV4, IPV6 = "127.0.0.1", "[::1]"

SERVED = [
    ("0.0.0.0", {IPV4}),  # noqa: S104  # for the length of the test
    (" localhost", {IPV4}),
]
"""The addresses at which a worker is ready, by INBOX_WEB_HOST."""

if HAS_IPV6:
    SERVED += [("::", {IPV4, IPV6}), ("::1", {IPV6}), ("[::1]\n", {IPV6})]


async def status(host: str, port: int) -> int | None:
    """Returns the status of `/readyz` at an address; None if nothing listens there."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{host}:{port}/readyz") as response,
        ):
            return response.status
    except aiohttp.ClientConnectionError:
        return None


@pytest.mark.parametrize(("host", "served"), SERVED)
async def test_a_worker_is_ready_at_every_address_on_which_it_listens(
    settings: Settings, tmp_path: Path, host: str, served: set[str]
) -> None:
    environment = settings.environment() | {"INBOX_WEB_HOST": host}
    worker = Worker(Settings.from_environment(environment), tmp_path / "worker.log", "ingest,web")
    await worker.start()
    try:
        found = {each for each in (IPV4, IPV6) if await status(each, settings.web_port)}
        assert found >= served
        assert IPV6 in served or host == " localhost" or IPV6 not in found
    finally:
        await worker.stop()


async def cannot_listen(settings: Settings, host: str, port: int) -> Completed:
    """Returns what a worker says that cannot listen."""
    ended = await inbox(replace(settings, web_host=host, web_port=port), "worker")
    assert (ended.status, ended.out) == (1, "")
    [line] = ended.err.splitlines()
    where = f"INBOX_WEB_HOST {host}, INBOX_WEB_PORT {port}: "
    assert line.startswith(f"inbox: the web server cannot listen on {where}")
    return ended


@contextmanager
def taken(host: str) -> Iterator[int]:
    """Listen on a port of a host for the length of the context; yields the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((host, free_port()))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"] if HAS_IPV6 else ["127.0.0.1"])
async def test_a_port_that_is_taken_is_one_line(settings: Settings, host: str) -> None:
    with taken(host) as port:
        ended = await cannot_listen(settings, host, port)
        assert ended.err.endswith("Address already in use\n")


async def test_an_address_of_another_machine_is_one_line(settings: Settings) -> None:
    # 192.0.2.0/24 and 2001:db8::/32 are kept for documents (RFC 5737, RFC 3849).
    for host in ("192.0.2.1", "2001:db8::1", "host.invalid", "a..b"):
        await cannot_listen(settings, host, settings.web_port)
