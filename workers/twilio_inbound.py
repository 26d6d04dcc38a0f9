"""`POST /twilio/inbound`: a contact's message, answered once Kafka has it."""

import asyncio
import logging
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web
from aiokafka.errors import KafkaError
from faust.exceptions import FaustError
from multidict import MultiDict

from db.errors import is_transient
from schemas.cloudevents import CONTENT_TYPE_HEADER, encode
from schemas.codes import DeadLetter
from schemas.errors import InvalidRecord
from schemas.fields import AccountId
from workers import metrics
from workers.channels import Channels
from workers.dead_letters import webhook_headers
from workers.twilio_form import BadForm, check_form, parse_form, received_event, signer

if TYPE_CHECKING:
    from workers.app import InboxApp

log = logging.getLogger(__name__)

PATH = "/twilio/inbound"

BODY_BYTES_MAX = 64 * 1024
"""Twilio's forms have a few kilobytes; a larger body is answered 413."""

KAFKA_SECONDS = 2.0
"""How long Kafka may take; then 503. Twilio gives up after 15 seconds."""

Headers = list[tuple[str, bytes]]


class TwilioInbound:
    """The receiver. 204: Kafka has it; 403: not signed by an account of ours; 400: no message;
    413: too large; 503: Kafka or Postgres did not answer, so Twilio is to try again."""

    def __init__(self, app: "InboxApp") -> None:
        self._app = app
        self._settings = app.settings
        self._channels = Channels()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the route."""
        router.add_post(PATH, self.receive)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one webhook."""
        began = perf_counter()
        try:
            status = await self._status(request)
        except (KafkaError, FaustError, TimeoutError) as error:
            log.warning("webhook not taken: %s", type(error).__name__)
            status = 503
        except web.HTTPRequestEntityTooLarge:
            status = 413
        except web.RequestPayloadError:
            # A body that is not encoded or chunked as its headers say.
            status = 400
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("webhook not taken: %s", type(error).__name__)
            status = 503
        metrics.WEBHOOKS.labels(status).inc()
        metrics.WEBHOOK_SECONDS.observe(perf_counter() - began)
        return web.Response(status=status)

    async def _status(self, request: web.Request) -> int:
        body = await request.read()
        form, account_id = self._authenticate(request, body)
        if account_id is None:
            return 403
        try:
            check_form(form)
            return await self._publish(form, body, account_id)
        except BadForm as error:
            log.warning("webhook of %s refused: %s", account_id, error)
            return 400

    def _authenticate(
        self, request: web.Request, body: bytes
    ) -> tuple[MultiDict[str], AccountId | None]:
        # The public URL, never the Host header: that is what the sender signed.
        url = self._settings.public_url + PATH
        if request.query_string:
            url += "?" + request.rel_url.raw_query_string
        try:
            form = parse_form(body)
            account = signer(
                self._settings.twilio_accounts,
                form,
                url,
                request.headers.get("X-Twilio-Signature", ""),
                request.headers.get("X-Twilio-Webhooks-Signature-Settings", ""),
            )
        except (ValueError, TypeError, IndexError):
            # What the validator raises on hostile input.
            return MultiDict(), None
        return form, account.account_id if account else None

    async def _publish(self, form: MultiDict[str], body: bytes, account_id: AccountId) -> int:
        now = datetime.now(UTC)
        channel_id = await self._channels.find(self._app.pool, account_id, form["To"])
        if channel_id is None:
            log.warning("webhook of %s: no channel has its address", account_id)
            headers = webhook_headers(
                self._settings.topic("messages.received"),
                account_id,
                InvalidRecord(DeadLetter.UNKNOWN_CHANNEL, "no channel has the address in To"),
                now,
            )
            await self._produce("dead-letters", None, body, headers)
            return 204
        event = received_event(form, account_id, channel_id, now)
        key = str(event.subject).encode()
        await self._produce("messages.received", key, encode(event), [CONTENT_TYPE_HEADER])
        return 204

    async def _produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        async with asyncio.timeout(KAFKA_SECONDS):
            sent = await self._app.producer.send(
                self._settings.topic(topic), key, value, None, None, headers
            )
            # Shielded: a late answer must find its future as it left it.
            await asyncio.shield(sent)
