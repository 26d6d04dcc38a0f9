"""When things happen: agents, the batch loop, the outbox relay, webhooks, the sender, the CLI, the embedded servers."""
