"""The console that commands print to."""

import sys

from rich.console import Console


def new_console() -> Console:
    """Standard output, in colour on a terminal only; a line stays one line however long it is."""
    # What a terminal cannot show, such as an emoji, is to be replaced, not to end the command.
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return Console(highlight=False, soft_wrap=True, emoji=False)
