"""The errors of Twilio's API: an HTTP status, a code of Twilio's own, and a text."""

from typing import TypedDict

ERROR_DOCS = "https://www.twilio.com/docs/errors/"

TEXTS = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20007: "Page size too large",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    20503: "Service is unavailable. Please try again",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid 'From' Number (caller ID)",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "Invalid 'StatusCallback' URL",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21620: "Invalid media URL(s)",
    21623: "Number of media files exceeds allowed limit",
    21655: "The ContentSid is invalid",
    21656: "The ContentVariables parameter is invalid",
    21701: "The messaging service does not exist",
    21910: "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel",
    63016: "Failed to send freeform message because you are outside the allowed window.",
}
"""The texts of the codes that a sender has to know. Other codes have the text `Error <code>`."""


class ErrorBody(TypedDict):
    """The body of an answer that is an error."""

    code: int
    message: str
    more_info: str
    status: int


class ApiRefusal(Exception):
    """A request has to be answered with an error. `status` is HTTP's, `code` Twilio's."""

    def __init__(self, code: int, status: int = 400) -> None:
        super().__init__(f"{status}, {code}: {text_of(code)}")
        self.status = status
        self.code = code


def text_of(code: int) -> str:
    """Returns the text of a code."""
    return TEXTS.get(code, f"Error {code}")


def error_body(status: int, code: int) -> ErrorBody:
    """Returns the body of an error."""
    return ErrorBody(
        code=code, message=text_of(code), more_info=f"{ERROR_DOCS}{code}", status=status
    )
