"""What stops a worker or a command.

Exception
└── WorkerStop              the process must end; a supervisor starts it again
    ├── DeadLetterFlood     too much is dead-lettered: rather stop than set everything aside
    └── StrangeLog          the log and the positions do not belong together
"""


class CommandFailed(Exception):
    """A command cannot do what it was asked, and a person can mend that."""


class WorkerStop(Exception):
    """The worker cannot go on; a person should look."""


class DeadLetterFlood(WorkerStop):
    """So much is dead-lettered that this program is more likely wrong than the records are."""


class StrangeLog(WorkerStop):
    """Kafka and Postgres are not of one history, so that exactly once cannot be kept."""
