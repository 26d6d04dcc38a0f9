"""A sending worker that kills itself at a POST: `python -m bench.runs.killed_sender WHERE N`.

WHERE is `before`, when the part is committed as posting and not posted yet, or `after`, when the
provider has answered and nothing is written down yet; N is the POST at which it happens.
"""

import itertools
import os
import signal
import sys

import domain.sending
from domain.sending import Outcome, Send
from workers.settings import Settings
from workers.twilio.client import Twilio
from workers.worker.run import run


def kill_at(where: str, number: int) -> None:
    """Have this process killed at its `number`-th POST."""
    post, counter = Twilio.post, itertools.count(1)

    async def killed(self: Twilio, send: Send) -> Outcome:
        last = next(counter) == number
        if last and where == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = await post(self, send)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    Twilio.post = killed  # type: ignore[method-assign]  # this program's whole purpose


LOOKS_SECONDS = (12, 35, 45, 60)
"""What is of unknown outcome is given up after a minute, not after ten."""

if __name__ == "__main__":
    domain.sending.LOOKS_SECONDS = LOOKS_SECONDS
    kill_at(sys.argv[1], int(sys.argv[2]))
    run(Settings.from_environment(), ["send"])
