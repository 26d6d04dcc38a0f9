"""The codes of rejections and of dead letters: two closed sets."""

from enum import StrEnum


class RejectionCode(StrEnum):
    """Why a command was rejected: the `code` of `command.rejected`."""

    UNKNOWN_CONVERSATION = "unknown_conversation"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_CHANNEL = "unknown_channel"
    NO_INBOX_ACCESS = "no_inbox_access"
    ASSIGNEE_UNAVAILABLE = "assignee_unavailable"
    NOT_INSTALLER = "not_installer"
    STALE_VERSION = "stale_version"
    SUPERSEDED = "superseded"
    NOT_LINKED = "not_linked"
    ALREADY_ANSWERED = "already_answered"
    WINDOW_CLOSED = "window_closed"
    TOO_LONG = "too_long"
    EMPTY = "empty"


class DeadLetterCode(StrEnum):
    """Why a record was dead-lettered: the header `dl_code` of a dead letter."""

    UNKNOWN_CHANNEL = "unknown_channel"
    """A webhook with a valid signature, to an address that no channel of the account has."""
    NOT_JSON = "not_json"
    """No value, not JSON, or JSON nested deeper than the decoder reads."""
    NOT_CLOUDEVENT = "not_cloudevent"
    """JSON without the required CloudEvents 1.0 attributes."""
    UNKNOWN_TYPE = "unknown_type"
    """A type that this topic does not carry, or that this version does not know."""
    INVALID_DATA = "invalid_data"
    """A field is missing or wrong; the error holds its path."""
    TOO_LARGE = "too_large"
    """A value of more than 256 KiB."""
    UNSTORABLE = "unstorable"
    """A value that Postgres cannot hold: NUL, a lone surrogate, or another value it refused."""
