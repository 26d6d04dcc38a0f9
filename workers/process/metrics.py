"""Every metric, declared once; docs/operating.md's table is made from this."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)

RECORDS = Counter(
    "inbox_records", "Records applied, dead-lettered ones too", ["topic"], registry=REGISTRY
)
DUPLICATES = Counter(
    "inbox_duplicates",
    "Messages and commands that were applied before, so that they changed nothing",
    ["topic"],
    registry=REGISTRY,
)
ERASED = Counter(
    "inbox_erased_messages",
    "Messages not recorded, since their conversation was deleted after they were sent",
    registry=REGISTRY,
)
DEAD_LETTERS = Counter(
    "inbox_dead_letters", "Records dead-lettered, by code", ["topic", "code"], registry=REGISTRY
)
BATCH_RECORDS = Histogram(
    "inbox_batch_records",
    "Records in one transaction",
    ["topic"],
    buckets=_RECORDS,
    registry=REGISTRY,
)
FETCH_SECONDS = Histogram(
    "inbox_fetch_seconds",
    "Time that the thread of the Kafka consumer computed from one poll to the next",
    buckets=_SECONDS,
    registry=REGISTRY,
)
STAGE_SECONDS = Histogram(
    "inbox_stage_seconds",
    "Time that one batch spent in a stage: decode, claim, load, decide, save, outbox, commit",
    ["topic", "stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RETRIES = Counter(
    "inbox_retries",
    "Batches tried again, by the error's name",
    ["topic", "error"],
    registry=REGISTRY,
)
REFUSED_POSITIONS = Counter(
    "inbox_refused_positions",
    "Batches whose partition had been moved on by somebody else",
    ["topic"],
    registry=REGISTRY,
)
UNKNOWN_COMMITS = Counter(
    "inbox_unknown_commits",
    "Commits of unknown outcome that turned out to be done, settled by the position",
    ["topic"],
    registry=REGISTRY,
)
WINDOW_WARNINGS = Counter(
    "inbox_window_warnings",
    "Windows about to close of which somebody was told",
    registry=REGISTRY,
)
LAG_RECORDS = Gauge(
    "inbox_lag_records", "Records not applied yet", ["topic", "partition"], registry=REGISTRY
)
OUTBOX_ROWS = Gauge("inbox_outbox_rows", "Outbox rows not published yet", registry=REGISTRY)
OUTBOX_AGE_SECONDS = Gauge(
    "inbox_outbox_age_seconds", "Age of the oldest outbox row", registry=REGISTRY
)
PUBLISHED = Counter("inbox_published", "Records published from the outbox", registry=REGISTRY)
RELAY_SECONDS = Histogram(
    "inbox_relay_seconds",
    "Time that one transaction of the relay spent in a stage: load, send, commit",
    ["stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RELAY_RESTARTS = Counter(
    "inbox_relay_restarts",
    "Shards that were started over, by the error's name; ProducerFenced: another owner took over",
    ["error"],
    registry=REGISTRY,
)
SHARDS = Gauge("inbox_shards", "Shards that this worker publishes", registry=REGISTRY)
PARTITIONS = Gauge(
    "inbox_partitions", "Partitions that this worker reads", ["topic"], registry=REGISTRY
)
SENDS = Counter(
    "inbox_sends",
    "POSTs of replies to the provider, by how they ended: Taken, NotTaken, Refused, Unknown",
    ["outcome"],
    registry=REGISTRY,
)
SEND_SECONDS = Histogram(
    "inbox_send_seconds", "Time of one POST to the provider", buckets=_SECONDS, registry=REGISTRY
)
SENDS_IN_FLIGHT = Gauge(
    "inbox_sends_in_flight", "Replies being posted by this worker", registry=REGISTRY
)
STRAY_RECEIPTS = Counter(
    "inbox_stray_receipts",
    "Delivery receipts of messages that nobody here is known to have sent; kept all the same",
    registry=REGISTRY,
)
SETTLED = Counter(
    "inbox_sends_settled",
    "POSTs of unknown outcome that were settled, by what told: receipt, list",
    ["by"],
    registry=REGISTRY,
)
WEBHOOKS = Counter("inbox_webhooks", "Webhooks answered, by status", ["status"], registry=REGISTRY)
WEBHOOK_SECONDS = Histogram(
    "inbox_webhook_seconds", "Time to answer a webhook", buckets=_SECONDS, registry=REGISTRY
)
SPOOL_RECORDS = Gauge(
    "inbox_spool_records", "Webhooks on this copy's disk, waiting for Kafka", registry=REGISTRY
)
SPOOL_BYTES = Gauge("inbox_spool_bytes", "Bytes of them", registry=REGISTRY)
SPOOLED = Counter("inbox_spooled", "Webhooks that were written to the spool", registry=REGISTRY)
DRAINED = Counter("inbox_drained", "Webhooks of the spool that Kafka has by now", registry=REGISTRY)
