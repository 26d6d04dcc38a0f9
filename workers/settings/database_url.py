"""The URL of a database, as a setting."""

from db.url import parse_url
from workers.settings.variables import WrongValue


def postgres_url(value: str) -> str:
    """Returns the URL itself, in any form that asyncpg takes. Raises WrongValue."""
    try:
        parse_url(value)
    except ValueError as error:
        # Never a piece of a secret: see db/url.py.
        raise WrongValue(str(error)) from None
    return value
