"""`inbox worker`: runs a worker."""

from typing import get_args

import click

from workers.settings import DEFAULT_ROLES, Role, Settings


def _roles(_context: click.Context, _parameter: click.Parameter, value: str) -> list[Role]:
    given = [name.strip() for name in value.split(",")]
    known = {name: name for name in get_args(Role)}
    if unknown := [name for name in given if name not in known]:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(known)}")
    return [known[name] for name in given]


@click.command()
@click.option(
    "--roles",
    default=",".join(DEFAULT_ROLES),
    show_default=True,
    callback=_roles,
    help="ingest applies records, relay publishes events, send posts replies to Twilio, "
    "web receives webhooks, api is the HTTP API: it is not among the default ones, since it has to "
    "be told whom to trust.",
)
def worker(roles: list[Role]) -> None:
    """Run a worker until SIGTERM; any number of them share the work."""
    # Imported here: the other commands do not need Faust, which is slow to import.
    from workers.worker.run import run  # noqa: PLC0415

    run(Settings.from_environment(), roles)
