"""What the image promises to those who run it, and that docker-compose.yml keeps to it."""

import re
from pathlib import Path

from tests.harness.container import image

ROOT = Path(__file__).parents[2]
DOCKERFILE, COMPOSE = (ROOT / "Dockerfile").read_text(), (ROOT / "docker-compose.yml").read_text()


def test_the_user_is_a_number_and_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", image().user)


def test_the_data_directory_is_a_volume_of_that_user() -> None:
    user, _, group = image().user.partition(":")
    assert image().volume == image().environment["INBOX_DATA_DIR"]
    assert f"install -d -o {user} -g {group} -m 0700 {image().volume}" in DOCKERFILE


def test_the_image_runs_a_worker_that_others_can_reach() -> None:
    assert (image().entrypoint, image().command) == (["inbox"], ["worker"])
    assert image().environment["INBOX_WEB_HOST"] == "0.0.0.0"  # noqa: S104  # as in any container


def test_nothing_is_written_beside_the_code() -> None:
    assert image().environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert {image().environment[name] for name in ("HOME", "TMPDIR")} == {"/tmp"}  # noqa: S108


def test_what_is_needed_to_build_stays_behind() -> None:
    _, last = DOCKERFILE.rsplit("FROM ", 1)
    assert last.startswith("python:${PYTHON}-slim\n")
    assert "pip install" not in last
    assert "rm -rf /usr/local/bin/pip*" in last


def test_compose_runs_the_image_as_it_is_run_in_production() -> None:
    assert f'  user: "{image().user}"\n' in COMPOSE
    assert "  read_only: true\n  tmpfs:\n    - /tmp\n" in COMPOSE
    assert f"    volumes:\n      - spool:{image().volume}\n" in COMPOSE
