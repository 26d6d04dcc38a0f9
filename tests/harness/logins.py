"""Logins of the test's own, which a test may break: all tests share the role of the workers."""

import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg

from workers.settings import Settings, required

PASSWORD = "own-secret"

_numbers = itertools.count(1)


class Login:
    """A role that may do what workers may, and how to change it."""

    def __init__(self, superuser: "asyncpg.Connection[asyncpg.Record]", given: Settings) -> None:
        self._superuser = superuser
        self.name = f"worker_{os.getpid()}_{next(_numbers)}"
        parts = urlsplit(required(given.database_url, "database"))
        at = parts.netloc.rpartition("@")[2]
        self.database = parts.path.removeprefix("/")
        self.url = parts._replace(netloc=f"{self.name}:{PASSWORD}@{at}").geturl()
        self.settings = replace(given, database_url=self.url)

    async def execute(self, statement: str) -> None:
        """Run a statement of the superuser's, where {role} and {database} stand for the names."""
        await self._superuser.execute(statement.format(role=self.name, database=self.database))

    async def set_for_sessions(self, settings: Mapping[str, str]) -> None:
        """Set what each session of the role begins with."""
        for name, value in settings.items():
            await self.execute(f"ALTER ROLE {{role}} SET {name} = '{value}'")

    async def change_password(self, password: str) -> None:
        """Change the password, and end all sessions: those that are open would go on."""
        await self.execute(f"ALTER ROLE {{role}} PASSWORD '{password}'")
        await self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        )


@asynccontextmanager
async def own_login(superuser_url: str, settings: Settings) -> AsyncIterator[Login]:
    """Make a login for a test's database, and drop it at the end."""
    superuser = await asyncpg.connect(superuser_url)
    login = Login(superuser, settings)
    await login.execute(f"CREATE ROLE {{role}} LOGIN PASSWORD '{PASSWORD}' IN ROLE inbox_worker")
    try:
        yield login
    finally:
        await login.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{role}'"
        )
        await login.execute("DROP ROLE {role}")
        await superuser.close()
