"""The plans of what the API reads: by the indexes made for it, whatever is known of the tables."""

import re
from typing import NamedTuple

import pytest

from db.connect import pool
from db.queries import QUERIES
from db.session import API_SESSION
from workers.settings import Settings, required

PLACE = "'2026-01-01 12:34:56.789Z', '00000000-0000-0000-0000-000000000007'"
PAGE = "text, timestamptz, uuid, bigint"


class Planned(NamedTuple):
    """A query, and the indexes that it must use."""

    types: str
    values: str
    indexes: tuple[str, ...]


QUERIES_OF_THE_API = {
    "page_of_unassigned": Planned(PAGE, f"'a', {PLACE}, 51", ("conversations_unassigned",)),
    "page_of_closed": Planned(PAGE, f"'a', {PLACE}, 51", ("conversations_closed",)),
    "page_of_assigned_to_me": Planned(
        f"{PAGE}, text", f"'a', {PLACE}, 51, 'u'", ("conversations_assigned",)
    ),
    "page_of_assigned_to_others": Planned(
        f"{PAGE}, text", f"'a', {PLACE}, 51, 'u'", ("conversations_assigned",)
    ),
    "count_sections": Planned(
        "text, text, bigint",
        "'a', 'u', 101",
        ("conversations_unassigned", "conversations_assigned", "conversations_closed"),
    ),
    "account_sections": Planned(
        "text, bigint",
        "'a', 101",
        ("conversations_unassigned", "conversations_assigned", "conversations_closed"),
    ),
    "messages_by_id": Planned(
        "text, uuid[]",
        "'a', ARRAY[gen_random_uuid()]",
        ("messages_pkey", "sends_of_message"),
    ),
    "search_contacts": Planned(
        "text, text, text, bigint, text, timestamptz, uuid, bigint, text",
        f"'a', 'maria', '4915', 500, NULL, {PLACE}, 51, 'u'",
        (
            "conversations_by_name",
            "conversations_by_address",
            "identities_by_address",
            "conversations_pkey",
        ),
    ),
    "contact_addresses": Planned(
        "text, uuid, bigint",
        "'a', gen_random_uuid(), 100",
        ("conversations_pkey", "conversations_merged", "identities_of_conversation"),
    ),
    "listed_conversations": Planned(
        "text, uuid[], integer",
        "'a', ARRAY[gen_random_uuid()], 141",
        (
            "conversations_pkey",
            "channels_pkey",
            "users_pkey",
            "messages_in_order",
            "messages_inbound",
        ),
    ),
    "message_page": Planned(
        "text, uuid, timestamptz, integer, bigint, bigint",
        "'a', gen_random_uuid(), now(), 7, 50, 1048576",
        ("conversations_pkey", "messages_in_order", "sends_of_message"),
    ),
    "message_media": Planned("text, uuid", "'a', gen_random_uuid()", ("messages_pkey",)),
    "history_page": Planned(
        "text, uuid, integer, bigint",
        "'a', gen_random_uuid(), 7, 51",
        ("conversations_pkey", "tombstones_pkey", "history_pkey", "users_pkey"),
    ),
    "seen_versions": Planned(
        "text, uuid[], text[]", "'a', ARRAY[gen_random_uuid()], '{u}'", ("seen_pkey",)
    ),
    "see_conversation": Planned(
        "text, uuid, text, integer", "'a', gen_random_uuid(), 'u', 1", ("conversations_pkey",)
    ),
}


@pytest.mark.parametrize("name", QUERIES_OF_THE_API)
async def test_a_query_of_the_api_goes_by_its_indexes(database: Settings, name: str) -> None:
    planned = QUERIES_OF_THE_API[name]
    url = required(database.api_database_url, "database")
    async with pool(url, "test", 1, API_SESSION) as made, made.acquire() as api:
        await api.execute(f"PREPARE read ({planned.types}) AS {QUERIES[name]}")
        rows = await api.fetch(f"EXPLAIN EXECUTE read ({planned.values})")
        await api.execute("DEALLOCATE read")
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
    used = {word for word in plan.split() if "_" in word}
    assert set(planned.indexes) <= used, plan
    if name.startswith("page_of_"):
        assert "Bitmap" not in plan, plan
        # Whole slots come in their order: only the rows of one slot are sorted at a time.
        assert re.search(r"Presorted Key: (c\.)?activity_slot\n", plan), plan
        assert "activity_slot <=" in plan, plan
    if name == "message_page":
        # As many rows are read as the page has, even where all messages are of one time.
        assert "Index Scan Backward using messages_in_order" in plan, plan


async def test_the_sessions_of_the_api_have_its_own_limits(database: Settings) -> None:
    url = required(database.api_database_url, "database")
    async with pool(url, "test", 1, API_SESSION) as made, made.acquire() as api:
        assert await api.fetchval("SHOW statement_timeout") == "5s"
        assert await api.fetchval("SHOW transaction_timeout") == "10s"
        assert await api.fetchval("SELECT current_user") == "inbox_api"
