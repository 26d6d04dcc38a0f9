"""A sending worker that kills itself at a POST: `python -m bench.runs.killed_sender WHEN NUMBER`.

WHEN is `before` (the part is stored as posting, and not posted yet) or `after` (the provider has
answered, and the answer is not stored yet). NUMBER is the POST at which it happens.
"""

import itertools
import os
import signal
import sys

import domain.sending
from domain.sending import PostOutcome, Send
from workers.settings import Settings
from workers.twilio.client import Twilio
from workers.worker.run import run


def kill_at(when: str, number: int) -> None:
    """Make this process kill itself at its POST of this number."""
    post, counter = Twilio.post, itertools.count(1)

    async def killed(self: Twilio, send: Send) -> PostOutcome:
        last = next(counter) == number
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = await post(self, send)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    Twilio.post = killed  # type: ignore[method-assign]  # this program's whole purpose


CHECKS_SECONDS = (12, 35, 45, 60)
"""A part of unknown outcome is given up after one minute instead of ten."""

if __name__ == "__main__":
    domain.sending.CHECKS_SECONDS = CHECKS_SECONDS
    kill_at(sys.argv[1], int(sys.argv[2]))
    run(Settings.from_environment(), ["send"])
