"""One environment variable: how its text is read, written and shown."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

# What nobody sees at the ends of a text that was pasted, or read from a file: all kinds of blanks
# and line breaks, the byte order mark, and the marks of the direction of writing.
_BLANK = "".join(filter(str.isspace, map(chr, range(0x3001))))
_BLANK += "\ufeff\u200b\u200e\u200f\u2060"

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)

_HIDDEN_OPTIONS = {"password", "sslpassword", "passfile"}
_SHOWN_OPTIONS = {
    "application_name",
    "channel_binding",
    "connect_timeout",
    "database",
    "dbname",
    "gssencmode",
    "host",
    "load_balance_hosts",
    "pgbouncer",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
}
"""Options of a URL that hold no secret. All others are masked, because a password that is not
percent-encoded may look like an option of its own."""


class SettingsError(Exception):
    """A setting is missing or wrong. The message begins with its variable."""


class WrongValue(ValueError):
    """A text is no value of its setting. The message says why, and quotes no piece of the text."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The declaration of one setting."""

    name: str
    meaning: str
    default: str | None
    """As it would be written in the environment; None for a setting without a default."""
    parse: Callable[[str], Any]
    """Returns the value of a text. Raises WrongValue."""
    secret: bool = False
    """Whether `inbox config` must mask the whole value. Passwords in URLs are always masked."""
    exact: bool = False
    """Whether a blank or a line break at an end of the text would belong to the value."""

    def given(self, environment: Mapping[str, str]) -> str | None:
        """Returns the text in the environment, without blanks and line breaks at its ends.

        An empty or blank variable counts as one that is not set: None. Raises SettingsError where
        the blanks would belong to the value, since they are most likely a mistake.
        """
        text = environment.get(self.name, "")
        stripped = text.strip(_BLANK)
        if self.exact and stripped not in {"", text}:
            raise SettingsError(
                f"{self.name}: begins or ends with a blank or a line break, which would be a part "
                "of it: remove it"
            )
        return stripped or None

    def read(self, environment: Mapping[str, str]) -> Any:
        """Returns the value; None without a text and a default. Raises SettingsError.

        The message of an error of a library is never shown: it may quote a piece of a secret.
        """
        text = self.given(environment) or self.default
        if text is None:
            return None
        try:
            text.encode()
            return self.parse(text)
        except UnicodeError:
            raise SettingsError(f"{self.name}: holds bytes that are no UTF-8 text") from None
        except WrongValue as error:
            raise SettingsError(f"{self.name}: {error}") from None
        except ValueError:
            raise SettingsError(f"{self.name}: cannot be read") from None


def is_blank_at_an_end(text: str) -> bool:
    """Whether a text begins or ends with something that nobody sees."""
    return text != text.strip(_BLANK)


def as_text(value: Any) -> str:
    """Returns the text of a value, from which `Variable.read` reads the same value again."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
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
    found = _URL.fullmatch(text)
    return _masked_url(*found.groups("")) if found else text


def _masked_url(scheme: str, authority: str, path: str, query: str, fragment: str) -> str:
    if ":" in authority and "@" in path + query + fragment:
        # A password with a character that had to be percent-encoded: it may be anywhere.
        return f"{scheme}***"
    login, at, address = authority.rpartition("@")
    user, colon, _ = login.partition(":")
    if colon:
        login = f"{user}:***"
    elif at and scheme.lower().startswith("http"):
        login = "***"  # a token may stand in the place of a name
    options = "&".join(map(_masked_option, query.split("&"))) if query else ""
    shown = f"{scheme}{login}{at}{address}{path}"
    return shown + (f"?{options}" if options else "") + ("#***" if fragment else "")


def _masked_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if equals and name in _HIDDEN_OPTIONS:
        return f"{name}=***"
    return option if equals and name in _SHOWN_OPTIONS else "***"
