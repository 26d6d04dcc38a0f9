"""The mock as another process, started and controlled from this one."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from bench.mock_twilio.callback_rules import CallbackRule
from bench.mock_twilio.faults import Fault
from bench.mock_twilio.ledger import Ledger, MissedMessage

MOCK_START_SECONDS, MOCK_STOP_SECONDS = 60.0, 30.0


class RemoteTwilio:
    """A mock that runs while it is a context.

    `url` is for INBOX_TWILIO_API_URL. `Ledger.read` reads the ledger's file, also after the process
    was killed. `reached_at` is as in StatusCallbacks.
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
            async with asyncio.timeout(MOCK_START_SECONDS):
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
                async with asyncio.timeout(MOCK_STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        assert self._process.returncode in (0, -9), f"the mock ended: {self._process.returncode}"

    async def kill(self) -> None:
        """Kill the process (SIGKILL)."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def add(self, *rules: Fault | CallbackRule) -> None:
        """Switch rules on."""
        await self._add("/_faults", [rule for rule in rules if isinstance(rule, Fault)])
        await self._add(
            "/_callback_rules", [rule for rule in rules if isinstance(rule, CallbackRule)]
        )

    async def _add(self, path: str, rules: Sequence[Fault | CallbackRule]) -> None:
        if rules:
            await self._request("POST", path, rules)

    async def clear(self) -> None:
        """Switch all rules off."""
        await self._request("DELETE", "/_faults")
        await self._request("DELETE", "/_callback_rules")

    async def counts(self) -> list[dict[str, Any]]:
        """Returns the faults that are on, each as `rule`, `seen` and `hits`."""
        return await self._counts("/_faults")

    async def hits(self, rule: Fault | CallbackRule) -> int:
        """Returns how many times a rule that is on was applied."""
        counts = await self._counts("/_faults" if isinstance(rule, Fault) else "/_callback_rules")
        as_json = msgspec.json.decode(msgspec.json.encode(rule))
        return sum(each["hits"] for each in counts if each["rule"] == as_json)

    async def _counts(self, path: str) -> list[dict[str, Any]]:
        return list(msgspec.json.decode(await self._request("GET", path)))

    async def ledger(self) -> Ledger:
        """Returns everything that happened so far."""
        return msgspec.json.decode(await self._request("GET", "/_ledger"), type=Ledger)

    async def add_missed(self, missed: MissedMessage) -> str:
        """Put a contact's message into the list, and return its sid."""
        made = msgspec.json.decode(await self._request("POST", "/_inbound", missed))
        return str(made["sid"])

    async def refuse(self, seconds: float | None = None) -> None:
        """Refuse connections from now on, for so long or until `listen`."""
        await self._request("POST", "/_listener", {"open": False, "seconds": seconds})

    async def listen(self) -> None:
        """Accept connections again."""
        await self._request("POST", "/_listener", {"open": True})

    async def _request(self, method: str, path: str, value: Any = None) -> bytes:
        body = b"" if value is None else msgspec.json.encode(value)
        url = self._control_url + path
        async with self._session.request(method, url, data=body) as response:
            answer = await response.read()
            if response.status != 200:
                raise ValueError(f"{method} {path}: {response.status} {answer.decode()}")
            return answer
