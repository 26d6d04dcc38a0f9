"""`inbox faust`: runs Faust's own commands on the app of the workers."""

import click

from workers.settings import Settings


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def faust(arguments: tuple[str, ...]) -> None:
    """Run a command of Faust's own, such as `inbox faust agents`."""
    from faust.cli.faust import cli  # noqa: PLC0415  # slow to import and rarely needed

    Settings.from_environment()
    cli.main(["-A", "workers.worker.faust_app:app", *arguments], prog_name="inbox faust")
