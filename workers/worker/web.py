"""The worker's web server: liveness, readiness and metrics, and how soon it stops."""

from typing import Protocol

from aiohttp import web
from aiohttp.web_runner import BaseSite
from faust.types.web import Web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from workers.process.metrics import REGISTRY

WEB_STOP_SECONDS = 4.0
"""Longer than a webhook waits for its answer (workers/webhooks/receiver.py), and well within the
watchdog's limit of a stop."""

BACKLOG_MAX = 4096
"""Connections that the system takes while the worker is busy: all clients come back at once when
another worker has stopped. The system's own limit, `net.core.somaxconn`, bounds it."""


class Readiness(Protocol):
    """A worker, as far as its readiness is concerned."""

    @property
    def ready(self) -> bool:
        """Whether the worker does its work."""


def add_health_routes(router: web.UrlDispatcher, worker: Readiness) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        if worker.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready\n")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    router.add_get("/healthz", healthz)
    router.add_get("/readyz", readyz)
    router.add_get("/metrics", metrics)


def limit_stop(web: Web) -> None:
    """Close the connections that are still open `WEB_STOP_SECONDS` after the stop.

    aiohttp would wait for a minute: it ignores what arrives on a connection that was opened at the
    moment of the stop, and still waits for its request.
    """
    web._runner._shutdown_timeout = WEB_STOP_SECONDS  # type: ignore[attr-defined]  # of aiohttp


def raise_backlog(web: Web) -> None:
    """Let `BACKLOG_MAX` connections wait. With aiohttp's 128, each further one takes seconds."""
    make_site = web._transport_handlers["tcp"]  # type: ignore[attr-defined]  # the aiohttp driver

    def make() -> BaseSite:
        site: BaseSite = make_site()
        site._backlog = BACKLOG_MAX
        return site

    web._transport_handlers["tcp"] = make  # type: ignore[attr-defined]  # the aiohttp driver
