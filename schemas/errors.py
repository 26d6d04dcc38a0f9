"""What can be wrong with a record.

ValueError
└── InvalidRecord      the record itself is wrong; trying again changes nothing
"""

from schemas.codes import DeadLetter


class InvalidRecord(ValueError):
    """A record that cannot be applied, with the dead-letter code that says why."""

    def __init__(self, code: DeadLetter, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
