"""The readers, the batch loop, the agents and the relay, simulated: every order, every crash.

What runs is the product: `TopicReader` with its acks and rewinds, `BatchLoop`, the agents of
`AGENTS`, the rules, `OutboxCollector`, `Shard`. What is simulated is below it: a Postgres of dicts
with transactions and row locks, a Kafka of lists with transactions and fencing, the consumer group,
and time. Each statement and each request waits for its turn. The simulation chooses whose turn it
is, whether it fails, and whether its worker dies. One seed gives one history.

Real servers cannot repeat a certain interleaving; that is the only purpose of the simulation. It
complements the tests with real servers and replaces none of them: only they show whether Postgres
and Kafka do what is supposed here, and whether the SQL asks for it.
"""
