"""The limits on dead letters: a worker that reaches one of them stops."""

from collections import deque

from workers.process.errors import DeadLetterFlood

WINDOW_RECORDS = 10_000
"""The ratio is that of a topic's last records, so many of them."""


class DeadLetterLimit:
    """Counts the dead letters of one topic.

    After a bad deploy it is better to stop than to dead-letter every record.
    """

    def __init__(self, topic: str, run_max: int, ratio_max: float) -> None:
        self._topic = topic
        self._run_max = run_max
        """The most dead letters in a row."""
        self._ratio_max = ratio_max
        """The most dead letters among the records of the window, from 0 to 1."""
        self._run = 0
        self._batches: deque[tuple[int, int]] = deque()
        """The records and the dead letters of each batch in the window."""
        self._records = 0
        self._dead = 0

    def check(self, outcomes: list[bool]) -> None:
        """Check whether a batch may be committed. True stands for a dead letter.

        Raises DeadLetterFlood when the batch would pass a limit. Counts nothing, because a batch
        may be tried again or halved.
        """
        run = self._run
        for dead in outcomes:
            run = run + 1 if dead else 0
            if run > self._run_max:
                raise DeadLetterFlood(
                    f"{self._topic}: {run} records in a row would be dead-lettered; "
                    "raise INBOX_DEAD_LETTER_RUN if they really are all wrong"
                )
        records, dead_records = self._records + len(outcomes), self._dead + sum(outcomes)
        if records >= WINDOW_RECORDS and dead_records > self._ratio_max * records:
            raise DeadLetterFlood(
                f"{self._topic}: {dead_records} of the last {records} records would be "
                "dead-lettered; raise INBOX_DEAD_LETTER_RATIO if they really are wrong"
            )

    def count(self, outcomes: list[bool]) -> None:
        """Count a batch that was committed."""
        for dead in outcomes:
            self._run = self._run + 1 if dead else 0
        self._batches.append((len(outcomes), sum(outcomes)))
        self._records += len(outcomes)
        self._dead += sum(outcomes)
        while self._records - self._batches[0][0] >= WINDOW_RECORDS:
            old_records, old_dead = self._batches.popleft()
            self._records -= old_records
            self._dead -= old_dead
