"""Prism, a proxy of others that checks requests and answers against an API description.

It is `@stoplight/prism-cli` of npm. It is used where it is installed, and never downloaded.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.harness.waiting import until
from workers.dev.embedded.ports import HOST, free_port

ROOT = Path(__file__).parents[3]
PACKAGE = "prism-cli"


def find_prism() -> Path | None:
    """The program, on the PATH or in this checkout's node_modules; None where there is none."""
    beside = str(ROOT / "node_modules" / ".bin")
    found = shutil.which("prism", path=os.pathsep.join([os.environ.get("PATH", ""), beside]))
    # Other programs have the same name.
    ours = found is not None and PACKAGE in str(Path(found).resolve())
    return Path(found) if found is not None and ours else None


@asynccontextmanager
async def proxying(
    prism: Path, document: dict[str, Any], url: str, directory: Path
) -> AsyncIterator[str]:
    """Run a Prism in front of a URL while the context lasts, and yield Prism's own URL.

    A malformed request is answered 422 and goes no further; a malformed answer becomes a 500.
    """
    file, log = directory / "openapi.json", directory / "prism.log"
    file.write_text(json.dumps(document))
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(prism, "proxy", "--errors", "--host", HOST, "--port", str(port), file, url),
            stdout=output,
            stderr=output,
        )
    try:

        async def listens() -> bool:
            if process.returncode is not None:
                raise AssertionError(f"Prism ended:\n{log.read_text()[-4000:]}")
            return "is listening" in log.read_text()

        await until(listens, "Prism")
        yield f"http://{HOST}:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
