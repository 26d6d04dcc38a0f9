"""Twilio's two webhooks: a contact's message, and what became of one of ours."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter

from aiohttp import web

from workers.process import metrics
from workers.settings import Settings
from workers.twilio.form import BadForm
from workers.twilio.signature import authenticate
from workers.webhooks.receiver import NotTaken, Receiver
from workers.webhooks.webhook import INBOUND, STATUS, Kind, Webhook

log = logging.getLogger(__name__)

INBOUND_PATH = "/twilio/inbound"
STATUS_PATH = "/twilio/status"

BODY_BYTES_MAX = 64 * 1024
"""Twilio's forms have a few kilobytes; a larger body is answered 413."""

BODY_SECONDS = 5.0
"""A sender that has not sent its body by then is answered 408."""

REQUESTS_MAX = 4096
REQUESTS_BYTES_MAX = 64 * 1024 * 1024
"""What may be read, or wait for Kafka or the disk, at once; above it the answer is 503."""


class Refused(Exception):
    """A webhook is answered with this status, and was not taken."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class TwilioWebhooks:
    """The receiver's end of HTTP.

    204, of a status 200: Kafka or this machine's disk has it. 400: signed, but not what the
    webhook is for; 403: not signed by an account of ours; 408: the body did not come; 413: it is
    too large; 503: nobody could take it, so that Twilio is to try again.
    """

    def __init__(
        self,
        settings: Settings,
        receiver: Receiver,
        *,
        requests_max: int = REQUESTS_MAX,
        bytes_max: int = REQUESTS_BYTES_MAX,
    ) -> None:
        self._settings = settings
        self._receiver = receiver
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._requests = 0
        self._bytes = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_post(INBOUND_PATH, self._route(INBOUND_PATH, INBOUND, taken=204))
        router.add_post(STATUS_PATH, self._route(STATUS_PATH, STATUS, taken=200))

    def _route(
        self, path: str, kind: Kind, taken: int
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            began = perf_counter()
            status = taken
            try:
                with self._room(request.content_length):
                    await self._receive(request, path, kind)
            except Refused as error:
                status = error.status
            response = web.Response(status=status)
            if status == 408:
                # Whatever of the body is still to come is not waited for.
                response.force_close()
            metrics.WEBHOOKS.labels(status).inc()
            metrics.WEBHOOK_SECONDS.observe(perf_counter() - began)
            return response

        return answer

    @contextmanager
    def _room(self, length: int | None) -> Iterator[None]:
        """Hold memory for one request. Raises Refused when there is none, or it is too large."""
        size = BODY_BYTES_MAX if length is None else length
        if size > BODY_BYTES_MAX:
            raise Refused(413)
        if self._requests >= self._requests_max or self._bytes + size > self._bytes_max:
            raise Refused(503)
        self._requests += 1
        self._bytes += size
        try:
            yield
        finally:
            self._requests -= 1
            self._bytes -= size

    async def _receive(self, request: web.Request, path: str, kind: Kind) -> None:
        body = await _body(request)
        now = datetime.now(UTC)
        query = _query(request)
        # The public URL, never the Host header: that is what the sender signed.
        url = self._settings.public_url + path + (f"?{query}" if query else "")
        signed = authenticate(self._settings.twilio_accounts, url, request.headers, body)
        if signed is None:
            raise Refused(403)
        form, account_id = signed
        webhook = Webhook(
            kind=kind, account_id=account_id, body=body, form=form, query=query, received_at=now
        )
        try:
            webhook.check()
        except BadForm as error:
            log.warning("webhook of %s refused: %s", account_id, error)
            raise Refused(400) from error
        try:
            await self._receiver.take(webhook)
        except NotTaken as error:
            log.warning("webhook of %s not taken: %s", account_id, error)
            raise Refused(503) from error


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise Refused(408) from None
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413) from None
    except Exception as error:
        # A body that is not encoded or chunked as its headers say, or that ended too soon.
        log.info("webhook without a body: %s", type(error).__name__)
        raise Refused(400) from error


def _query(request: web.Request) -> str:
    """The query as it came, to the letter: decoded and encoded again it may differ, and it is
    signed. A fragment is for Twilio, which may or may not send it along."""
    target = request.raw_path.partition("#")[0]
    return target.partition("?")[2]
