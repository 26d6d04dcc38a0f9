"""Servers that a test may stop, and a spool that is to be drained, for the tests of this folder."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness.spool import Scene, Servers, own_servers, set_scene, settings_of
from tests.harness.topics import Topics
from workers.settings import Settings


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A Postgres and a Kafka of the module's own. A test that stops one starts it again."""
    with own_servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
async def settings(servers: Servers, tmp_path: Path) -> Settings:
    """Settings with a database and topics of the test's own on these servers."""
    return await settings_of(servers, tmp_path / "data")


@pytest.fixture
async def scene(
    servers: Servers,
    settings: Settings,
    topics: Topics,
    session: aiohttp.ClientSession,
    tmp_path: Path,
) -> AsyncIterator[Scene]:
    """Running servers, installed channels, and no worker yet."""
    async with set_scene(servers, settings, topics, session, tmp_path / "worker.log") as scene:
        yield scene
