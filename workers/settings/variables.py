"""One environment variable: how its text is read, written and shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is missing or wrong. The message begins with its variable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The declaration of one setting."""

    name: str
    meaning: str
    default: str | None
    """As it would be written in the environment; None for a setting without a default."""
    parse: Callable[[str], Any]
    """Returns the value of a text. Raises ValueError."""
    secret: bool = False
    """Whether `inbox config` must mask the whole value. Passwords in URLs are always masked."""

    def read(self, environment: Mapping[str, str]) -> Any:
        """Returns the value; None without a text and a default. Raises SettingsError.

        An empty variable counts as one that is not set.
        """
        text = environment.get(self.name) or self.default
        if text is None:
            return None
        try:
            return self.parse(text)
        except ValueError as error:
            raise SettingsError(f"{self.name}: {error}") from None


def as_text(value: Any) -> str:
    """Returns the text of a value, from which `Variable.read` reads the same value again."""
    if isinstance(value, tuple):
        return ",".join(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)


def required(value: T | None, variable: str) -> T:
    """Returns a setting that a command cannot do without. Raises SettingsError."""
    if value is None:
        raise SettingsError(f"{variable}: is not set, and this command needs it")
    return value


def masked(variable: Variable, text: str) -> str:
    """Returns the text of a value without its secrets, so that it may be shown."""
    if variable.secret:
        return "(set)" if text != variable.default else text
    parts = urlsplit(text)
    if parts.password is not None:
        address = parts.netloc.rpartition("@")[2]
        parts = parts._replace(netloc=f"{parts.username}:***@{address}")
    if parts.scheme and "password" in parts.query:
        parts = parts._replace(query="***")
    return urlunsplit(parts) if parts.scheme else text
