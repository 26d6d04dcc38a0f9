"""`inbox config`: prints the value of every setting."""

import os

import click

from workers.settings import Settings, masked


@click.command()
def config() -> None:
    """Show the settings in force, with secrets masked. Fails when one is wrong."""
    Settings.from_environment()
    for variable in Settings.variables():
        given = variable.given(os.environ)
        value = given or variable.default
        shown = "(not set)" if value is None else masked(variable, value)
        click.echo(f"{variable.name}={shown}" + ("" if given else "  # default"))
