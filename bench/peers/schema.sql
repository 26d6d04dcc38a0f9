-- The tables of a service that keeps messages and conversations, and has none of our promises.
-- A message has the keys that it has here: its own, and that of its conversation for reading.

DROP SCHEMA IF EXISTS peer CASCADE;
CREATE SCHEMA peer;

CREATE TABLE peer.conversations (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id text NOT NULL,
    contact_address text NOT NULL,
    contact_name text,
    status text NOT NULL DEFAULT 'open',
    message_count integer NOT NULL DEFAULT 0,
    last_message_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE peer.messages (
    account_id text NOT NULL,
    channel_id text NOT NULL,
    provider_message_id text NOT NULL,
    conversation_id uuid NOT NULL,
    sender_name text,
    sender_address text NOT NULL,
    body text NOT NULL,
    media jsonb NOT NULL,
    sent_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, channel_id, provider_message_id)
);
CREATE INDEX messages_of_conversation ON peer.messages (conversation_id, sent_at);
