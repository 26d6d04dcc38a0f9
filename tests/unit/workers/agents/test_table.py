"""The table of agents: one agent for each topic that is read, with all types of that topic."""

import pytest

from schemas.catalog import INBOUND
from workers.agents.directory_cache import DirectoryCache
from workers.agents.last_received import LastReceived
from workers.agents.table import AGENTS, AgentContext


def test_every_topic_that_is_read_has_an_agent() -> None:
    assert AGENTS.keys() == INBOUND.keys()


@pytest.mark.parametrize("topic", INBOUND)
def test_an_agent_handles_exactly_the_types_that_its_topic_carries(topic: str) -> None:
    assert AGENTS[topic].structs is INBOUND[topic]


@pytest.mark.parametrize("topic", INBOUND)
def test_a_batch_is_begun_anew_each_time(topic: str) -> None:
    context = AgentContext(DirectoryCache(), LastReceived(), "https://inbox.example.com")
    first, second = AGENTS[topic].begin(context), AGENTS[topic].begin(context)
    assert first is not second
    assert type(first) is type(second)
