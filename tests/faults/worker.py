"""A worker with points at which it can be made to die, and perhaps with a mutant.

Only tests/faults/fleet.py starts it.
"""

import argparse
import signal
from pathlib import Path

import db.connect
import db.session
import domain.sending
import workers.periodic.gone_assignees
import workers.worker.faust_settings
from tests.faults.observations import ObservationWriter
from workers.dev.embedded.guard import death_signal


def main() -> None:
    """Run until the process is killed or stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--roles", required=True)
    parser.add_argument("--session-seconds", type=float, required=True)
    parser.add_argument("--post-seconds", type=int, required=True)
    parser.add_argument("--list-check-seconds", required=True)
    parser.add_argument("--transaction-seconds", type=int, required=True)
    parser.add_argument("--mutant", default="")
    given = parser.parse_args()
    _shorten_waits(given)
    if follow_parent := death_signal(signal.SIGKILL):
        # The worker ends with the run, even if the run is killed.
        follow_parent()
    # Imported only now, since these modules copy the values when they are imported.
    from tests.faults import mutants, points  # noqa: PLC0415
    from workers.settings import Settings  # noqa: PLC0415
    from workers.worker.run import run  # noqa: PLC0415

    observations = ObservationWriter(given.directory / "observations.jsonl", given.name)
    observations.follow_counters()
    if given.mutant:
        mutants.install(given.mutant)
    points.install(points.Trap(given.directory / "trap"), observations)
    run(Settings.from_environment(), given.roles.split(","))


def _shorten_waits(given: argparse.Namespace) -> None:
    """Shorten the times for which a run would only wait, such as the session of a dead worker."""
    domain.sending.POST_SECONDS = given.post_seconds
    db.session.SESSION |= {
        "idle_in_transaction_session_timeout": f"{given.transaction_seconds * 500:.0f}",
        "transaction_timeout": f"{given.transaction_seconds * 1000:.0f}",
    }
    db.connect.FROZEN_SECONDS = given.transaction_seconds + 5.0
    domain.sending.CHECKS_SECONDS = tuple(map(int, given.list_check_seconds.split(",")))  # type: ignore[assignment]
    workers.periodic.gone_assignees.SEARCH_SECONDS = 5.0
    original = workers.worker.faust_settings.faust_settings

    def shortened(*args: object, **kwargs: object) -> dict[str, object]:
        return original(*args, **kwargs) | {  # type: ignore[arg-type]
            "broker_session_timeout": given.session_seconds,
            "broker_heartbeat_interval": given.session_seconds / 4,
        }

    workers.worker.faust_settings.faust_settings = shortened


if __name__ == "__main__":
    main()
