"""The errors of the contract.

ValueError
└── InvalidRecord      the record itself is wrong: a retry would not help
"""

from schemas.codes import DeadLetterCode


class InvalidRecord(ValueError):
    """A record that cannot be applied; `code` is the dead-letter code for the reason."""

    def __init__(self, code: DeadLetterCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
