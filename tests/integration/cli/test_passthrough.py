"""`inbox faust` runs the commands of Faust."""

from tests.harness.command import inbox
from workers.settings import Settings


async def test_fausts_own_commands_stay_reachable(settings: Settings) -> None:
    agents = await inbox(settings, "faust", "agents")
    assert agents.status == 0, agents.err
    for topic in ("messages.received", "assignments", "lifecycle", "directory"):
        assert settings.topic(topic) in agents.out
