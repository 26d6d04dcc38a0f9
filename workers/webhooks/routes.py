"""Twilio's two webhooks over HTTP: messages of contacts, and delivery statuses of ours."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter

from aiohttp import web

from workers.process import metrics
from workers.settings import Settings
from workers.twilio.form import INBOUND_PATH, STATUS_PATH, BadForm
from workers.twilio.signature import authenticate
from workers.webhooks.receiver import Receiver, WebhookNotTaken
from workers.webhooks.webhook import (
    INBOUND_WEBHOOK,
    STATUS_WEBHOOK,
    Webhook,
    WebhookKind,
    kind_of,
)

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 256 * 1024
"""A larger body is answered 413. Most forms have a few kilobytes. What Twilio's add-ons found comes
with the form, and may have 50 KiB and more."""

BODY_SECONDS = 5.0
"""A client that has not sent its body by then is answered 408."""

REQUESTS_MAX = 4096
REQUESTS_BYTES_MAX = 64 * 1024 * 1024
"""Requests, and bytes of their bodies, that are read or wait for Kafka or the disk at once. A
request above either limit is answered 503."""


_TAKEN = {INBOUND_WEBHOOK: 204, STATUS_WEBHOOK: 200}
"""The answer to a webhook of each kind that was taken."""


class HttpRefusal(Exception):
    """The worker answers a request with this status, and has not taken its webhook."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class TwilioWebhooks:
    """The HTTP side of the receiver.

    It answers 204 (a status callback: 200) when Kafka or this machine's disk has the webhook;
    400 when the form is signed, but lacks what the webhook needs; 403 when no account of ours
    signed it; 408 when the body did not come in time; 413 when it is too large; and 503 when
    neither Kafka nor the disk took it, so that Twilio tries again.
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
        """Add the routes of both webhooks."""
        router.add_post(INBOUND_PATH, self._route(INBOUND_PATH, INBOUND_WEBHOOK))
        router.add_post(STATUS_PATH, self._route(STATUS_PATH, STATUS_WEBHOOK))

    def _route(
        self, path: str, path_kind: WebhookKind
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            began = perf_counter()
            try:
                with self._room(request.content_length):
                    status = _TAKEN[await self._receive(request, path, path_kind)]
            except HttpRefusal as error:
                status = error.status
            response = web.Response(status=status)
            if status == 408:
                # Do not wait for the rest of the body.
                response.force_close()
            metrics.WEBHOOKS.labels(status).inc()
            metrics.WEBHOOK_SECONDS.observe(perf_counter() - began)
            return response

        return answer

    @contextmanager
    def _room(self, length: int | None) -> Iterator[None]:
        """Reserve memory for one request.

        Raises HttpRefusal when there is none, or when the request is too large.
        """
        size = BODY_BYTES_MAX if length is None else length
        if size > BODY_BYTES_MAX:
            raise HttpRefusal(413)
        if self._requests >= self._requests_max or self._bytes + size > self._bytes_max:
            raise HttpRefusal(503)
        self._requests += 1
        self._bytes += size
        try:
            yield
        finally:
            self._requests -= 1
            self._bytes -= size

    async def _receive(
        self, request: web.Request, path: str, path_kind: WebhookKind
    ) -> WebhookKind:
        """Take a webhook, and return its kind. Raises HttpRefusal."""
        body = await _body(request)
        now = datetime.now(UTC)
        query = _query(request)
        # The sender signed the public URL. The Host header is not to be trusted.
        url = self._settings.public_url + path + (f"?{query}" if query else "")
        signed = authenticate(self._settings.twilio_accounts, url, request.headers, body)
        if signed is None:
            raise HttpRefusal(403)
        form, account_id = signed
        webhook = Webhook(
            kind=kind_of(form, path_kind),
            account_id=account_id,
            body=body,
            form=form,
            query=query,
            received_at=now,
        )
        try:
            webhook.check()
        except BadForm as error:
            log.warning("webhook of %s refused: %s", account_id, error)
            raise HttpRefusal(400) from error
        try:
            await self._receiver.take(webhook)
        except WebhookNotTaken as error:
            log.warning("webhook of %s not taken: %s", account_id, error)
            raise HttpRefusal(503) from error
        return webhook.kind


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise HttpRefusal(408) from None
    except web.HTTPRequestEntityTooLarge:
        raise HttpRefusal(413) from None
    except Exception as error:
        # The body is not encoded or chunked as its headers promise, or it ended too soon.
        log.info("webhook without a body: %s", type(error).__name__)
        raise HttpRefusal(400) from error


def _query(request: web.Request) -> str:
    """The query exactly as it came: it is signed, and decoding and encoding could change it.

    A fragment is addressed to Twilio, which may send it along; it is no part of the query.
    """
    target = request.raw_path.partition("#")[0]
    return target.partition("?")[2]
