"""A worker that can be made to die at named points, and to break a promise.

Started by tests/faults/fleet.py alone.
"""

import argparse
import signal
from pathlib import Path

import db.connect
import domain.sending
import workers.worker.faust_settings
from tests.faults.observed import Observations
from workers.dev.embedded.guard import death_signal


def main() -> None:
    """Run until killed or told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--roles", required=True)
    parser.add_argument("--session-seconds", type=float, required=True)
    parser.add_argument("--post-seconds", type=int, required=True)
    parser.add_argument("--looks", required=True)
    parser.add_argument("--transaction-seconds", type=int, required=True)
    parser.add_argument("--mutant", default="")
    given = parser.parse_args()
    _hasten(given)
    if follow_parent := death_signal(signal.SIGKILL):
        # It ends with the run, however that ends.
        follow_parent()
    # Only now: these take what was hastened when they are imported.
    from tests.faults import mutants, points  # noqa: PLC0415
    from workers.settings import Settings  # noqa: PLC0415
    from workers.worker.run import run  # noqa: PLC0415

    observations = Observations(given.directory / "observed.jsonl", given.name)
    observations.follow_counters()
    if given.mutant:
        mutants.install(given.mutant)
    points.install(points.Trap(given.directory / "trap"), observations)
    run(Settings.from_environment(), given.roles.split(","))


def _hasten(given: argparse.Namespace) -> None:
    """Shorten what a run would only wait for: a session that ends, a part that is given up."""
    domain.sending.POST_SECONDS = given.post_seconds
    db.connect._SESSION |= {
        "idle_in_transaction_session_timeout": f"{given.transaction_seconds / 2}s",
        "transaction_timeout": f"{given.transaction_seconds}s",
    }
    db.connect.FROZEN_SECONDS = given.transaction_seconds + 5.0
    domain.sending.LOOKS_SECONDS = tuple(map(int, given.looks.split(",")))  # type: ignore[assignment]
    made = workers.worker.faust_settings.faust_settings

    def hastened(*args: object, **kwargs: object) -> dict[str, object]:
        return made(*args, **kwargs) | {  # type: ignore[arg-type]
            "broker_session_timeout": given.session_seconds,
            "broker_heartbeat_interval": given.session_seconds / 4,
        }

    workers.worker.faust_settings.faust_settings = hastened


if __name__ == "__main__":
    main()
