"""The mock as a process of its own, started and controlled by a test."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from bench.mock_twilio.faults import Fault
from bench.mock_twilio.ledger import Ledger, Planted
from bench.mock_twilio.tellings import Telling

START_SECONDS, STOP_SECONDS = 60.0, 30.0


class RemoteTwilio:
    """Runs while it is a context. It keeps its port, and its ledger's file, over a restart.

    `url` is for INBOX_TWILIO_API_URL; the file can be read with `Ledger.read`, also when the
    process was killed.
    """

    def __init__(
        self, ledger_file: Path, *, port: int | None = None, reached_at: Mapping[str, str] = {}
    ) -> None:
        self.ledger_file = ledger_file
        self._arguments = ["--ledger", str(ledger_file)]
        self._arguments += [f"--port={port}"] if port else []
        self._arguments += [f"--reached-at={url}={at}" for url, at in reached_at.items()]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.mock_twilio",
            *self._arguments,
            cwd=Path(__file__).parents[2],
            env=os.environ,
            stdout=asyncio.subprocess.PIPE,
        )
        self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(START_SECONDS):
                assert self._process.stdout is not None
                where = json.loads(await self._process.stdout.readline())
        except BaseException:
            await self.kill()
            await self._session.close()
            raise
        self.url: str = where["url"]
        self._control_url: str = where["control_url"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        assert self._process.returncode in (0, -9), f"the mock ended: {self._process.returncode}"

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def add(self, *rules: Fault | Telling) -> None:
        """Switch faults and tellings on."""
        await self._add("/_faults", [rule for rule in rules if isinstance(rule, Fault)])
        await self._add("/_tellings", [rule for rule in rules if isinstance(rule, Telling)])

    async def _add(self, path: str, rules: Sequence[Fault | Telling]) -> None:
        if rules:
            await self._ask("POST", path, rules)

    async def clear(self) -> None:
        """Switch all faults and tellings off."""
        await self._ask("DELETE", "/_faults")
        await self._ask("DELETE", "/_tellings")

    async def counts(self) -> list[dict[str, Any]]:
        """The faults that are on: `rule`, `seen` and `hits`."""
        return list(msgspec.json.decode(await self._ask("GET", "/_faults")))

    async def ledger(self) -> Ledger:
        """What happened so far."""
        return msgspec.json.decode(await self._ask("GET", "/_ledger"), type=Ledger)

    async def plant(self, planted: Planted) -> str:
        """Let the list have a contact's message; its sid."""
        made = msgspec.json.decode(await self._ask("POST", "/_inbound", planted))
        return str(made["sid"])

    async def refuse(self, seconds: float | None = None) -> None:
        """Refuse connections from now on, for a while or until `listen`."""
        await self._ask("POST", "/_listener", {"open": False, "seconds": seconds})

    async def listen(self) -> None:
        """Take connections again."""
        await self._ask("POST", "/_listener", {"open": True})

    async def _ask(self, method: str, path: str, value: Any = None) -> bytes:
        body = b"" if value is None else msgspec.json.encode(value)
        url = self._control_url + path
        async with self._session.request(method, url, data=body) as response:
            answer = await response.read()
            if response.status != 200:
                raise ValueError(f"{method} {path}: {response.status} {answer.decode()}")
            return answer
