"""Measures how many signed webhooks one receiver takes into Kafka, and how fast it answers.

    python -m bench.webhooks [--seconds 10] [--connections 64] [--contacts 5000]

The receiver is one worker with the role `web`. It has one core, if the system allows that; Kafka,
Postgres and the sender have the others. The sender is another process. It signs messages first,
then posts them over connections that stay open: on each connection the next message when the one
before is answered. Every answer must be 204, and Kafka must have as many messages. Prints webhooks
per second, the median and 99th percentile of the time to an answer, and the receiver's CPU time for
each webhook, which other work of the machine does not change.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import cast
from urllib.parse import urlencode, urlsplit

import aiohttp
import uvloop
from aiokafka import AIOKafkaConsumer
from twilio.request_validator import RequestValidator

from bench.checkers.topics import topic_partitions
from bench.load.input_events import ACCOUNT, BODY, directory
from bench.load.publishing import publish
from bench.mock_twilio.account import SID, TOKEN
from bench.runs.measurement import worker_cpu_seconds
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from workers.dev.stack import stack
from workers.kafka.clients import client_arguments
from workers.settings import Settings
from workers.twilio.form import INBOUND_PATH

ACCOUNTS = json.dumps({SID: {"account_id": ACCOUNT, "auth_token": TOKEN}})
SENDER = "whatsapp:+14155238886"
SIGNED_MAX = 20_000
WARM_UP_SECONDS = 2.0


def requests(url: str, contacts: int) -> list[bytes]:
    """Returns signed HTTP requests, head and body."""
    return [_request(url, number, contacts) for number in range(SIGNED_MAX)]


def _request(url: str, number: int, contacts: int) -> bytes:
    host, path = urlsplit(url).netloc, urlsplit(url).path
    sid = f"SM{number:032d}"
    contact = f"+49{number % contacts:09d}"
    form = {
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ProfileName": "Ana Müller",
        "MessageType": "text",
        "SmsSid": sid,
        "WaId": contact[1:],
        "SmsStatus": "received",
        "Body": BODY,
        "To": SENDER,
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": sid,
        "AccountSid": SID,
        "From": f"whatsapp:{contact}",
        "ApiVersion": "2010-04-01",
    }
    body = urlencode(form).encode()
    signature = RequestValidator(TOKEN).compute_signature(url, form)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
        f"X-Twilio-Signature: {signature}\r\nUser-Agent: TwilioProxy/1.1\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """One connection: it posts, waits for the answer, and posts the next."""

    def __init__(self, requests: Iterator[bytes], seconds: list[tuple[float, float]]) -> None:
        self._requests = requests
        self._seconds = seconds
        """When each answer came, and how many seconds it took."""
        self._transport: asyncio.Transport | None = None
        self._posted_at = 0.0
        self._stopping = False
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Post the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._post()

    def _post(self) -> None:
        assert self._transport is not None
        self._posted_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Take an answer, which has no body and comes in one piece, and post the next request."""
        if not data.startswith(b"HTTP/1.1 204") or not data.endswith(b"\r\n\r\n"):
            self.stopped.set_exception(RuntimeError(f"answered {data!r}"))
            return
        now = time.perf_counter()
        self._seconds.append((now, now - self._posted_at))
        if self._stopping:
            self.stopped.set_result(None)
        else:
            self._post()

    def stop(self) -> None:
        """Stop after the next answer."""
        self._stopping = True


async def send(
    url: str, receiver: str, seconds: float, connections: int, contacts: int
) -> dict[str, float]:
    """Post to a receiver for so long. `url` is the public one, which is signed.

    Returns the rate and the times after the warm-up, and the number of all answers.
    """
    made = cycle(requests(url, contacts))
    taken: list[tuple[float, float]] = []
    loop = asyncio.get_running_loop()
    host, _, port = urlsplit(receiver).netloc.partition(":")
    senders = [
        (await loop.create_connection(lambda: Sender(made, taken), host, int(port)))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(WARM_UP_SECONDS)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    ended = time.perf_counter()
    for sender in senders:
        sender.stop()
    await asyncio.gather(*(sender.stopped for sender in senders))
    measured = sorted(took for at, took in taken if began < at <= ended)
    return {
        "per second": len(measured) / (ended - began),
        "p50 milliseconds": 1000 * measured[len(measured) // 2],
        "p99 milliseconds": 1000 * measured[len(measured) * 99 // 100],
        "answered": len(taken),
    }


async def run(settings: Settings, path: Path, arguments: Sequence[str]) -> dict[str, float]:
    """Install the channel, start the receiver, and post to it. Returns the measurements."""
    known = await publish(settings, directory())
    with running_workers(settings, path) as workers:
        await until_applied(settings, workers, known)
    receiver = WorkerProcess(settings, path / "receiver.log", "web")
    try:
        _pin(receiver.process.pid)
        await _until_ready(receiver)
        idle = worker_cpu_seconds(receiver)
        sent = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bench.webhooks", "--at", receiver.url, *arguments],
            env=os.environ | settings.environment(),
            check=True,
            stdout=subprocess.PIPE,
        )
        counted: dict[str, float] = json.loads(sent.stdout)
        used = worker_cpu_seconds(receiver) - idle
        counted["processor microseconds of each"] = 1e6 * used / counted["answered"]
    finally:
        receiver.stop()
    counted["in Kafka"] = await _records(settings)
    assert counted["in Kafka"] == counted["answered"], "each webhook is in Kafka once"
    return counted


def _pin(process: int) -> None:
    """Limit a process, which has just started, to one core, if there are several."""
    if sys.platform == "linux" and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(process, cores[:1])


async def _until_ready(receiver: WorkerProcess) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            receiver.check()
            with suppress(aiohttp.ClientError):
                async with session.get(f"{receiver.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def _records(settings: Settings) -> int:
    consumer = AIOKafkaConsumer(**client_arguments(settings))
    async with consumer:
        ends = await consumer.end_offsets(topic_partitions(settings, "messages.received"))
    return sum(ends.values())


async def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--contacts", type=int, default=5_000)
    parser.add_argument("--at", help=argparse.SUPPRESS)  # for the sender
    given = parser.parse_args()
    if given.at:
        url = Settings.from_environment().public_url + INBOUND_PATH
        sent = await send(url, given.at, given.seconds, given.connections, given.contacts)
        print(json.dumps(sent))
        return
    settings = Settings.from_environment(
        {"INBOX_PARTITIONS": "8", "INBOX_TWILIO_ACCOUNTS": ACCOUNTS}
    )
    with tempfile.TemporaryDirectory() as name:
        settings = replace(settings, data_dir=Path(name) / "data")
        async with stack(settings, Path(name)) as settings:
            for what, number in (await run(settings, Path(name), sys.argv[1:])).items():
                print(f"{what}: {number:,.1f}")


if __name__ == "__main__":
    uvloop.run(main())
