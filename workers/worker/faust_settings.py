"""The settings of Faust. Its own web pages, tables and topic declarations are off."""

import os
from typing import Any

from faust import SASLCredentials, SSLCredentials
from faust.tables import TableManager

from workers.settings import Settings
from workers.settings.kafka_security import KafkaSecurity
from workers.webhooks.routes import BODY_BYTES_MAX


class NoTables(TableManager):
    """Starts at once. Faust's waits a second for tables to be declared, of which there are none."""

    async def on_start(self) -> None:
        """Subscribe to the agents' topics."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


def faust_settings(settings: Settings, brokers: tuple[str, ...]) -> dict[str, Any]:
    """The keyword arguments of a Faust app."""
    return dict(
        broker=[f"kafka://{broker}" for broker in brokers],
        # For Faust's own producer. All other clients are made by workers/kafka/clients.py.
        broker_credentials=_credentials(settings.kafka_security),
        broker_client_id=f"inbox-{os.getpid()}",
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        # How long Faust waits for the positions after a rebalance. After that it would never
        # read again, but the positions come only when Postgres answers. The watchdog ends a
        # worker that makes no progress for another reason.
        broker_request_timeout=86_400.0,
        broker_rebalance_timeout=30.0,
        broker_commit_interval=1.0,
        consumer_group_instance_id=settings.instance_id,
        producer_acks=-1,
        producer_request_timeout=10.0,
        producer_max_request_size=8 * 1024 * 1024,
        stream_buffer_maxsize=2,
        # A batch in flight may be dropped at any moment: its position has not moved then.
        stream_wait_empty=False,
        TableManager=NoTables,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # To asyncio, "::" is only IPv6, and an empty host is every address.
        web_bind="" if settings.web_host == "::" else settings.web_host,
        web_port=settings.web_port,
        # Faust needs one for its tables and its router, which are off. It would make it of the
        # host, which may be an IPv6 address.
        canonical_url=f"http://localhost:{settings.web_port}",
        web_stats_enabled=False,
        web_graph_enabled=False,
        web_router_enabled=False,
        web_tables_enabled=False,
        web_metrics_enabled=False,
        datadir=settings.data_dir / "faust",
        web_application_options={"client_max_size": BODY_BYTES_MAX},
        worker_redirect_stdouts=False,
    )


def _credentials(security: KafkaSecurity) -> SASLCredentials | SSLCredentials | None:
    if security.sasl:
        return SASLCredentials(
            username=security.username,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=security.context() if security.tls else None,
        )
    return SSLCredentials(security.context()) if security.tls else None
