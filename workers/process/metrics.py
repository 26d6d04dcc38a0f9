"""Every metric, declared once. The table of docs/operating.md is made from this module."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)

INFO = Gauge(
    "inbox_info", "1, with the prefix of the worker's topics", ["prefix"], registry=REGISTRY
)
RECORDS = Counter(
    "inbox_records", "Records applied, including dead-lettered ones", ["topic"], registry=REGISTRY
)
DUPLICATES = Counter(
    "inbox_duplicates",
    "Messages and commands that changed nothing, because they had been applied before",
    ["topic"],
    registry=REGISTRY,
)
ERASED = Counter(
    "inbox_erased_messages",
    "Messages not recorded, because their conversation was deleted after they were sent",
    registry=REGISTRY,
)
LOST_RECORDS = Counter(
    "inbox_lost_records",
    "Records that Kafka deleted before a worker read them, at most: markers count too",
    ["topic"],
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
    "CPU time of the Kafka consumer's thread from one poll to the next",
    buckets=_SECONDS,
    registry=REGISTRY,
)
STAGE_SECONDS = Histogram(
    "inbox_stage_seconds",
    "Time of a batch in one stage: decode, claim, load, decide, save, outbox, commit",
    ["topic", "stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RETRIES = Counter(
    "inbox_retries",
    "Batches retried, by the name of the error",
    ["topic", "error"],
    registry=REGISTRY,
)
REFUSED_POSITIONS = Counter(
    "inbox_refused_positions",
    "Batches not applied, because another worker had moved the position of their partition",
    ["topic"],
    registry=REGISTRY,
)
UNKNOWN_COMMITS = Counter(
    "inbox_unknown_commits",
    "Commits with an unknown outcome that the position later showed to be done",
    ["topic"],
    registry=REGISTRY,
)
WINDOW_WARNINGS = Counter(
    "inbox_window_warnings",
    "Windows about to close, of which users were notified",
    registry=REGISTRY,
)
UNASSIGNED = Counter(
    "inbox_gone_assignees_unassigned",
    "Conversations unassigned because their assignee was removed or lost inbox access, by what did "
    "it: message, the contact's next one, or round, of all conversations of the assignee",
    ["by"],
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
    "Time of a transaction of the relay in one stage: load, send, commit",
    ["stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RELAY_RESTARTS = Counter(
    "inbox_relay_restarts",
    "Restarts of shards, by the name of the error; ProducerFenced: another worker took over",
    ["error"],
    registry=REGISTRY,
)
SHARDS = Gauge("inbox_shards", "Shards that this worker publishes", registry=REGISTRY)
PARTITIONS = Gauge(
    "inbox_partitions", "Partitions that this worker reads", ["topic"], registry=REGISTRY
)
PARTITION_DIFFERENCE = Gauge(
    "inbox_partition_difference",
    "Partitions of a topic in Kafka, less those that it must have; all but 0 is wrong",
    ["topic"],
    registry=REGISTRY,
)
SENDS = Counter(
    "inbox_sends",
    "POSTs of replies to the provider, by outcome: Taken, NotTaken, Refused, Unknown",
    ["outcome"],
    registry=REGISTRY,
)
SEND_SECONDS = Histogram(
    "inbox_send_seconds", "Time of one POST to the provider", buckets=_SECONDS, registry=REGISTRY
)
SENDS_IN_FLIGHT = Gauge(
    "inbox_sends_in_flight", "Replies that this worker is posting now", registry=REGISTRY
)
STRAY_RECEIPTS = Counter(
    "inbox_stray_receipts",
    "Delivery receipts of messages that the inbox is not known to have sent; they are kept",
    registry=REGISTRY,
)
SETTLED = Counter(
    "inbox_sends_settled",
    "POSTs with an unknown outcome that were settled, by the source of the outcome: receipt, list",
    ["by"],
    registry=REGISTRY,
)
WEBHOOKS = Counter("inbox_webhooks", "Webhooks answered, by status", ["status"], registry=REGISTRY)
WEBHOOK_SECONDS = Histogram(
    "inbox_webhook_seconds", "Time to answer a webhook", buckets=_SECONDS, registry=REGISTRY
)
SPOOL_RECORDS = Gauge(
    "inbox_spool_records", "Webhooks in this worker's spool, waiting for Kafka", registry=REGISTRY
)
SPOOL_BYTES = Gauge("inbox_spool_bytes", "Size of these webhooks in bytes", registry=REGISTRY)
SPOOLED = Counter("inbox_spooled", "Webhooks written to the spool", registry=REGISTRY)
DRAINED = Counter("inbox_drained", "Webhooks published from the spool", registry=REGISTRY)
API_REQUESTS = Counter(
    "inbox_api_requests",
    "Requests to the API answered, by operation and status",
    ["operation", "status"],
    registry=REGISTRY,
)
API_SECONDS = Histogram(
    "inbox_api_seconds",
    "Time to answer a request to the API; of a stream, how long it was open",
    ["operation"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
API_LAG_RECORDS = Gauge(
    "inbox_api_lag_records",
    "Records of a topic that the API follows and has not taken yet",
    ["topic"],
    registry=REGISTRY,
)
API_COMMANDS = Counter(
    "inbox_api_commands",
    "Requests about commands answered, by code: accepted, that of the rejection, or pending",
    ["code"],
    registry=REGISTRY,
)
API_WAITING = Gauge(
    "inbox_api_waiting",
    "Requests to the API that wait for what they published to be applied",
    registry=REGISTRY,
)
API_STREAMS = Gauge("inbox_api_streams", "Event streams that are open", registry=REGISTRY)
API_EVENTS_SENT = Counter(
    "inbox_api_events_sent", "Events sent, once for each stream", registry=REGISTRY
)
API_STREAM_ENDS = Counter(
    "inbox_api_stream_ends",
    "Event streams that ended, by reason: gone, slow, stopped, expired, no_access",
    ["reason"],
    registry=REGISTRY,
)
