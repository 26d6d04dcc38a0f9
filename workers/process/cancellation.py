"""A task that was cancelled ends, whatever it awaited made of that."""

import asyncio


def end_if_cancelled() -> None:
    """Raise CancelledError in a task that was cancelled and goes on.

    An error on the way out takes a cancellation's place, as when a client cannot be stopped in
    time, and `asyncio.wait_for` drops one that comes together with what it waits for (fixed in
    Python 3.12). Whoever cancelled the task would wait for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
