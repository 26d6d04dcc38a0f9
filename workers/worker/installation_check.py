"""The check at a worker's start that the database belongs to the worker's topics."""

import asyncio
from collections.abc import Callable
from functools import partial

from aiokafka.errors import KafkaError

from db.installation import Installation
from workers.kafka.installation import installation_of, require_same, require_settings_fit
from workers.process.retries import pause, until_done
from workers.settings import Settings
from workers.worker.database import Database

CLAIMED_SECONDS = 1.0
"""How often a worker that may not claim a database looks whether another worker did."""


class InstallationCheck:
    """Checks once. Its errors are SchemaMismatch and ForeignInstallation."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        alive: Callable[[], None],
        *,
        waits_for_login: bool,
        claims: bool = True,
    ) -> None:
        """`waits_for_login`: whether to go on when Postgres refuses the login at first. `claims`:
        whether this worker may write its topics into a database that belongs to none yet; otherwise
        it waits until another worker did.
        """
        self._settings = settings
        self._database = database
        self._alive = alive
        self._waits_for_login = waits_for_login
        self._claims = claims
        self._settings_fit = False
        """Whether the prefix and the number of partitions are known to be the database's."""
        self.schema_fits = asyncio.Event()
        """Set when the database has the schema of this program, and the settings fit it."""
        self.may_send = asyncio.Event()
        """Set when all is known to fit; or once Kafka did not answer, if the settings do."""
        self.all_fits = asyncio.Event()
        """Set when Kafka's cluster is known to be the database's, too."""

    async def check_settings(self) -> None:
        """Check what needs no Kafka, as soon as Postgres answers."""
        stored = await until_done(
            "the database",
            self._database.check,
            self._alive,
            waits_for_login=self._waits_for_login,
        )
        if stored is not None:
            require_settings_fit(stored, self._settings)
            self._settings_fit = True
        self.schema_fits.set()

    async def check_all(self, mine: Installation) -> None:
        """Check everything. Writes this worker's topics if the database belongs to none yet, or
        waits."""
        require_same(await self._stored(mine), mine)
        self.may_send.set()
        self.all_fits.set()

    async def _stored(self, mine: Installation) -> Installation:
        claim = partial(self._database.claim, mine) if self._claims else self._database.check
        while True:
            stored = await until_done("the database", claim, self._alive)
            if stored is not None:
                return stored
            await asyncio.sleep(CLAIMED_SECONDS)

    async def check_in_time(self) -> None:
        """Check everything as soon as Postgres and Kafka answer, however long that takes."""
        await self.check_settings()
        await self.check_all(await self._installation())

    async def _installation(self) -> Installation:
        failures = 0
        while True:
            try:
                return await installation_of(self._settings)
            except KafkaError as error:
                failures += 1
                if self._settings_fit:
                    self.may_send.set()
                await pause("Kafka", error, failures, self._alive)
