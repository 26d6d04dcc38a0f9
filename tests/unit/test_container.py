"""What the image promises to those who run it, and that docker-compose.yml keeps to it."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.harness.command import environment_without_settings
from tests.harness.container import image
from tests.harness.ipv6 import HAS_IPV6

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


class Healthy(BaseHTTPRequestHandler):
    """Answers as a healthy worker does."""

    def do_GET(self) -> None:
        """Answer one request."""
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def healthy(address: str) -> Iterator[int]:
    """Serve as a healthy worker at an address; yields the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with HTTPServer((address, 0), Healthy, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = socket.socket(family)
        server.socket.bind((address, 0))
        server.server_activate()
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def health(host: str, port: str) -> int:
    """Returns the status of the image's health check, for a worker with these settings."""
    environment = environment_without_settings() | {
        "INBOX_WEB_HOST": host,
        "INBOX_WEB_PORT": port,
        # A copy asks itself, never a proxy.
        "http_proxy": "http://127.0.0.1:1",
    }
    command = [sys.executable, *image().health_check[1:]]
    return subprocess.run(
        command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL, check=False
    ).returncode


HOSTS = [("127.0.0.1", "0.0.0.0"), ("127.0.0.1", " 127.0.0.1\n")]  # noqa: S104  # none is bound
"""An address, and an INBOX_WEB_HOST with which a worker listens there."""

if HAS_IPV6:
    HOSTS += [("::1", "::1"), ("::1", "[::1]"), ("::1", "::")]


@pytest.mark.parametrize(("address", "host"), HOSTS)
def test_the_health_check_asks_where_the_copy_listens(address: str, host: str) -> None:
    with healthy(address) as port:
        assert health(host, f" {port}\r\n") == 0
    assert health(host, str(port)) != 0


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
