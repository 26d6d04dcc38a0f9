"""How a bug is logged where the process goes on: what and where, and none of what it was about."""

import traceback


def bug(error: BaseException) -> str:
    """Returns the type of an error and its traceback, without its message.

    The message may quote what a contact wrote, or a client's secret: asyncpg.DataError has the
    arguments of a query.
    """
    where = "".join(traceback.format_tb(error.__traceback__))
    return f"a bug: {type(error).__name__}\n{where}"
