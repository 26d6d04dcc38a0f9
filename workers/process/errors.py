"""The errors that end a worker or a command.

Exception
├── CommandFailed           a command cannot do its work
└── WorkerStop              the process must end; a supervisor starts it again
    ├── DeadLetterFlood     too many records would be dead-lettered
    ├── ForeignInstallation the database belongs to other topics
    └── ForeignLog          Kafka's log and the positions do not belong together
"""


class CommandFailed(Exception):
    """A command cannot do its work. A person can repair the cause, which the message contains."""


class WorkerStop(Exception):
    """The worker cannot continue, and a person should find out why."""


class DeadLetterFlood(WorkerStop):
    """So many records are invalid that the fault is more likely in this program than in them."""


class ForeignInstallation(WorkerStop):
    """The database belongs to topics of another prefix, cluster or number of partitions."""


class ForeignLog(WorkerStop):
    """Kafka and Postgres do not have the same history, so exactly once cannot be kept."""
