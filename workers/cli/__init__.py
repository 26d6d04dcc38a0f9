"""The command line `inbox`: a group of commands, each in a module of its own."""

import sys

import click

from workers.cli.adopt import adopt
from workers.cli.config import config
from workers.cli.dead_letters import dead_letters
from workers.cli.dev import dev
from workers.cli.doctor import doctor
from workers.cli.erase import erase
from workers.cli.migrate import migrate
from workers.cli.passthrough import faust
from workers.cli.rebuild_history import rebuild_history
from workers.cli.reconcile import reconcile
from workers.cli.send import send
from workers.cli.topics import topics
from workers.cli.watch import watch
from workers.cli.worker import worker
from workers.process.errors import CommandFailed
from workers.settings import SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="messaging-inbox")
def inbox() -> None:
    """The messaging inbox: workers, and the tools to run them.

    All settings are environment variables; `inbox config` shows them.
    """


for command in (
    adopt,
    config,
    dead_letters,
    dev,
    doctor,
    erase,
    faust,
    migrate,
    rebuild_history,
    reconcile,
    send,
    topics,
    watch,
    worker,
):
    inbox.add_command(command)


def main() -> None:
    """Run the command line.

    A wrong setting is one line on stderr and exit status 2, a failure of a command is one line and
    exit status 1.
    """
    try:
        inbox(prog_name="inbox")
    except SettingsError as error:
        click.echo(f"inbox: {error}", err=True)
        sys.exit(2)
    except CommandFailed as error:
        click.echo(f"inbox: {error}", err=True)
        sys.exit(1)
