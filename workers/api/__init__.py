"""The inbox over HTTP: an API for a company's programs and for the console, live.

    request ── access ──> caller ── operation ──> answer
                                       ├── reads: Postgres
                                       ├── commands: Kafka, and their results from there
                                       └── events: what the topics say, to every stream

`operation` says what an operation is, `table` lists them all: routes, decoding, errors and the
OpenAPI document are made of that one table. Nothing here changes a conversation: every change is a
command on Kafka, which the workers apply. The API writes to Postgres only what users have seen.
"""
