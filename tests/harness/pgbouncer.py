"""PgBouncer before the test's Postgres, where PgBouncer is installed. It is never downloaded."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from db.session import SESSION
from tests.harness.waiting import until
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.embedded.postgres import unprivileged_account

IGNORED = ",".join(SESSION)
"""For `ignore_startup_parameters`: all that a worker asks for."""


def find_pgbouncer() -> str | None:
    """Returns the path of PgBouncer, or None where it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@asynccontextmanager
async def pooling(program: str, url: str, **options: str) -> AsyncIterator[str]:
    """Run PgBouncer before the Postgres of a URL, with these options; yields the pool's URL."""
    parts = urlsplit(url)
    port = free_port()
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        account = _configure(Path(name), url, {"listen_port": str(port)} | options)
        user, group = account or (None, None)
        process = await asyncio.create_subprocess_exec(
            program, "-q", f"{name}/pgbouncer.ini", user=user, group=group
        )

        async def listens() -> bool:
            assert process.returncode is None, "PgBouncer ended"
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        try:
            await until(listens, "PgBouncer")
            login = f"{parts.username}:{parts.password}"
            yield parts._replace(netloc=f"{login}@{HOST}:{port}").geturl()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _configure(directory: Path, url: str, options: dict[str, str]) -> tuple[int, int] | None:
    """Write PgBouncer's files. Returns the account that it must run as; None for this one."""
    parts = urlsplit(url)
    users, ini = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text(f'"{parts.username}" "{parts.password}"\n')
    lines = {"listen_addr": HOST, "unix_socket_dir": "", "auth_type": "scram-sha-256"}
    lines |= {"auth_file": str(users)} | options
    pool = f"[databases]\n* = host={parts.hostname} port={parts.port}\n[pgbouncer]\n"
    ini.write_text(pool + "".join(f"{name} = {value}\n" for name, value in lines.items()))
    account = unprivileged_account()
    if account is not None:
        for path in (directory, users, ini):
            os.chown(path, *account)
    return account
