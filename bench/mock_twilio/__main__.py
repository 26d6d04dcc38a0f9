"""`python -m bench.mock_twilio`: runs the mock as its own process, until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from bench.mock_twilio.account import ACCOUNTS
from bench.mock_twilio.server import MockTwilio
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.twilio_stand_in.server import Account


def arguments() -> argparse.Namespace:
    """Returns the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.mock_twilio", description=__doc__)
    parser.add_argument("--port", type=int, help="of the API; one that is free, without it")
    parser.add_argument("--control-port", type=int, help="likewise")
    parser.add_argument("--ledger", type=Path, help="a file that gets each entry as a line of JSON")
    parser.add_argument(
        "--accounts", help='JSON: {"AC...": {"auth_token": "...", "api_keys": {"SK...": "..."}}}'
    )
    parser.add_argument(
        "--reached-at",
        action="append",
        default=[],
        metavar="PUBLIC=LOCAL",
        help="where callbacks to a public URL are posted to",
    )
    return parser.parse_args()


async def run() -> None:
    """Run, and print where it listens, as one line of JSON, once it does."""
    given = arguments()
    accounts = ACCOUNTS
    if given.accounts:
        accounts = msgspec.json.decode(given.accounts, type=dict[str, Account])
    control_port = given.control_port or free_port()
    mock = MockTwilio(
        accounts,
        port=given.port,
        control_port=control_port,
        ledger_file=given.ledger,
        reached_at=dict(pair.split("=", 1) for pair in given.reached_at),
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with mock:
        where = {"url": mock.url, "control_url": f"http://{HOST}:{control_port}"}
        print(msgspec.json.encode(where).decode(), flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
