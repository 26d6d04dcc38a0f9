"""Creates databases with the roles of a deployment, on a server where we are superuser."""

from importlib.resources import files

import asyncpg

from db.queries import QUERIES

OWNER, WORKER, API = "inbox_owner", "inbox_worker", "inbox_api"


async def ensure_roles(
    superuser_url: str, owner_password: str, worker_password: str, api_password: str
) -> None:
    """Create the roles of the owner, the worker and the API, or set their passwords."""
    passwords = {"owner": owner_password, "worker": worker_password, "api": api_password}
    connection = await asyncpg.connect(superuser_url)
    try:
        for role, password in passwords.items():
            await connection.execute(QUERIES["set_for_session"], f"inbox.{role}_password", password)
        await connection.execute(files("db").joinpath("roles.sql").read_text("utf-8"))
    finally:
        await connection.close()


async def ensure_database(superuser_url: str, name: str, template: str = "template1") -> None:
    """Create a database that the owner owns and the others may use, unless it exists."""
    connection = await asyncpg.connect(superuser_url)
    try:
        if await connection.fetchval(QUERIES["database_exists"], name):
            return
        statements = await connection.fetchrow(QUERIES["database_statements"], name, template)
        assert statements is not None
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
