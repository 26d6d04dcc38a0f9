"""Other versions of the program: with fewer migrations than this one, or with one that is newer."""

import os
import subprocess
import sys

import pytest

import db.migrate
from db.migrate import Migration, migrations
from tests.harness.worker import Worker

NEWEST = len(migrations())
_RIGHTS = db.migrate._API_RIGHTS

LATER_SQL = f"""
-- readable_from: {NEWEST}
ALTER TABLE inbox.messages ADD COLUMN later text;
ALTER TABLE inbox.conversations ADD COLUMN later text NOT NULL DEFAULT 'none';
ALTER TABLE inbox.outbox ADD COLUMN later text;
CREATE TABLE inbox.later (account_id text NOT NULL);
"""
LATER = Migration(NEWEST + 1, f"{NEWEST + 1:04}_later", LATER_SQL)
"""A migration of a version that does not exist yet. It only adds."""

RUN_LATER = """
import db.migrate
from tests.harness.program_versions import LATER

known = [*db.migrate.migrations(), LATER]
db.migrate.migrations = lambda: known
from workers.cli import main
main()
"""


def pretend(monkeypatch: pytest.MonkeyPatch, *known: Migration) -> None:
    """Let this process be a program that knows these migrations."""
    monkeypatch.setattr(db.migrate, "migrations", lambda: list(known))
    # The rights of the API are on tables of the newest migration; older programs grant nothing.
    rights = _RIGHTS if len(known) >= NEWEST else f"migrations/{db.migrate._BOOTSTRAP}"
    monkeypatch.setattr(db.migrate, "_API_RIGHTS", rights)


class LaterWorker(Worker):
    """A worker of the version that has the migration LATER."""

    def _fork(self) -> subprocess.Popen[bytes]:  # type: ignore[override]  # with the same methods
        environment = os.environ | self.settings.environment()
        command = [sys.executable, "-c", RUN_LATER, "worker", "--roles", self._roles]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)
