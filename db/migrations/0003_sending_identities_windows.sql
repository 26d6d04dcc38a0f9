-- Replies sent at most once, what became of them, the identities of contacts, and windows.

ALTER TABLE inbox.conversations
    ADD COLUMN window_until timestamptz,
    ADD COLUMN window_watched boolean NOT NULL DEFAULT false,
    ADD COLUMN last_direction text,
    ADD COLUMN merged_into uuid,
    ADD CONSTRAINT conversations_last_direction_is_known CHECK (last_direction IN ('inbound', 'outbound'));
COMMENT ON COLUMN inbox.conversations.window_until IS 'Until when a free text may be sent: 24 hours after the contact last wrote. Null where the provider has no such window.';
COMMENT ON COLUMN inbox.conversations.window_watched IS 'Whether it has a row in windows.';
COMMENT ON COLUMN inbox.conversations.last_direction IS 'Whose the last word is: the direction of the message recorded last, historical ones aside.';
COMMENT ON COLUMN inbox.conversations.merged_into IS 'The older conversation of the same contact, which goes on in its place; null for all but those closed as the younger of two.';

-- As the messages so far left them, as far as can be told.
UPDATE inbox.conversations
SET last_direction = 'inbound', window_until = last_inbound_at + interval '24 hours'
WHERE last_inbound_at IS NOT NULL
  AND (contact_address LIKE 'whatsapp:%' OR contact_address LIKE 'messenger:%');

CREATE TABLE inbox.sends (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    version integer NOT NULL,
    part integer NOT NULL,
    parts integer NOT NULL,
    message_id uuid NOT NULL,
    command_id text NOT NULL,
    channel_id text NOT NULL,
    from_address text NOT NULL,
    to_address text NOT NULL,
    body text NOT NULL,
    media_urls text[] NOT NULL,
    content_sid text,
    content_variables jsonb,
    state text NOT NULL,
    attempts integer NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    posting_at timestamptz,
    provider_message_id text,
    status text,
    error_code integer,
    told_uncertain boolean NOT NULL,
    CONSTRAINT sends_pkey PRIMARY KEY (account_id, conversation_id, version, part),
    CONSTRAINT sends_state_is_known CHECK (state IN ('queued', 'posting', 'accepted', 'failed', 'uncertain')),
    CONSTRAINT sends_accepted_has_an_id CHECK (state <> 'accepted' OR provider_message_id IS NOT NULL),
    CONSTRAINT sends_part_is_one_of_parts CHECK (part BETWEEN 1 AND parts)
) WITH (fillfactor = 70);
-- Without account_id in front, as for messages_of_conversation.
CREATE UNIQUE INDEX sends_of_message ON inbox.sends (message_id, part, account_id);
CREATE UNIQUE INDEX sends_claim_an_id_once ON inbox.sends (provider_message_id, account_id) WHERE provider_message_id IS NOT NULL;
CREATE INDEX sends_due ON inbox.sends (due_at) WHERE state IN ('queued', 'posting', 'uncertain') AND NOT told_uncertain;
COMMENT ON TABLE inbox.sends IS 'The parts of replies on their way to the provider: posting is committed before the POST, so that none is ever posted twice.';
COMMENT ON COLUMN inbox.sends.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.sends.conversation_id IS 'The conversation of the reply.';
COMMENT ON COLUMN inbox.sends.version IS 'The version that recorded the reply: the order of sending within a conversation.';
COMMENT ON COLUMN inbox.sends.part IS 'Which part of a reply that is too long for one; also what a status callback calls the attempt.';
COMMENT ON COLUMN inbox.sends.parts IS 'How many there are.';
COMMENT ON COLUMN inbox.sends.message_id IS 'The reply.';
COMMENT ON COLUMN inbox.sends.command_id IS 'The command that asked for it.';
COMMENT ON COLUMN inbox.sends.channel_id IS 'The channel it goes out on.';
COMMENT ON COLUMN inbox.sends.from_address IS 'The channel''s address.';
COMMENT ON COLUMN inbox.sends.to_address IS 'The contact''s address.';
COMMENT ON COLUMN inbox.sends.body IS 'The text of this part; empty for a template or files alone.';
COMMENT ON COLUMN inbox.sends.media_urls IS 'Files, sent with the first part.';
COMMENT ON COLUMN inbox.sends.content_sid IS 'The template, for one.';
COMMENT ON COLUMN inbox.sends.content_variables IS 'What is filled into the template.';
COMMENT ON COLUMN inbox.sends.state IS 'queued, posting, accepted, failed or uncertain: see docs/sending.md.';
COMMENT ON COLUMN inbox.sends.attempts IS 'POSTs that were begun; more than one only where the provider surely had not taken the one before.';
COMMENT ON COLUMN inbox.sends.created_at IS 'When it was recorded, by the database''s clock.';
COMMENT ON COLUMN inbox.sends.due_at IS 'When something is to be done next: queued, the POST; posting or uncertain, a look at what became of it.';
COMMENT ON COLUMN inbox.sends.posting_at IS 'When the last POST was begun.';
COMMENT ON COLUMN inbox.sends.provider_message_id IS 'The provider''s id, once known.';
COMMENT ON COLUMN inbox.sends.status IS 'The delivery status: the maximum of the receipts.';
COMMENT ON COLUMN inbox.sends.error_code IS 'The provider''s code, where it refused or could not deliver.';
COMMENT ON COLUMN inbox.sends.told_uncertain IS 'Whether message.uncertain was published: from then on only a receipt settles it.';

CREATE TABLE inbox.send_rates (
    account_id text NOT NULL,
    from_address text NOT NULL,
    next_at timestamptz NOT NULL,
    CONSTRAINT send_rates_pkey PRIMARY KEY (account_id, from_address)
) WITH (fillfactor = 50);
COMMENT ON TABLE inbox.send_rates IS 'A token bucket per sender, shared by all workers.';
COMMENT ON COLUMN inbox.send_rates.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.send_rates.from_address IS 'The sender.';
COMMENT ON COLUMN inbox.send_rates.next_at IS 'When its next message is due at its rate; a burst may run ahead of that by a second.';

CREATE TABLE inbox.receipts (
    account_id text NOT NULL,
    provider_message_id text NOT NULL,
    event_id text NOT NULL,
    status text NOT NULL,
    error_code integer,
    message_id uuid,
    attempt integer,
    received_at timestamptz NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (account_id, provider_message_id, event_id)
);
CREATE INDEX receipts_by_age ON inbox.receipts (received_at);
COMMENT ON TABLE inbox.receipts IS 'Every delivery receipt, those too that came early, or for a message that nobody here sent. Holds no address and no text; pruned after 90 days.';
COMMENT ON COLUMN inbox.receipts.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.receipts.provider_message_id IS 'The provider''s id of the message.';
COMMENT ON COLUMN inbox.receipts.event_id IS 'The id of the receipt''s CloudEvent: a repeat is kept once.';
COMMENT ON COLUMN inbox.receipts.status IS 'The provider''s word, known or not.';
COMMENT ON COLUMN inbox.receipts.error_code IS 'The provider''s code, if it told one.';
COMMENT ON COLUMN inbox.receipts.message_id IS 'The reply that the callback named.';
COMMENT ON COLUMN inbox.receipts.attempt IS 'The part of it that the callback named.';
COMMENT ON COLUMN inbox.receipts.received_at IS 'When it was applied, by the database''s clock.';

CREATE TABLE inbox.identities (
    account_id text NOT NULL,
    alias_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id text NOT NULL,
    address text NOT NULL,
    CONSTRAINT identities_pkey PRIMARY KEY (account_id, alias_id)
);
CREATE INDEX identities_of_conversation ON inbox.identities (conversation_id);
COMMENT ON TABLE inbox.identities IS 'Further addresses of contacts: a message from such an address belongs to the conversation that it leads to.';
COMMENT ON COLUMN inbox.identities.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.identities.alias_id IS 'The conversation id that the address would have of its own.';
COMMENT ON COLUMN inbox.identities.conversation_id IS 'The conversation that it leads to.';
COMMENT ON COLUMN inbox.identities.channel_id IS 'The channel that the contact writes to.';
COMMENT ON COLUMN inbox.identities.address IS 'The address.';

CREATE TABLE inbox.windows (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    check_at timestamptz NOT NULL,
    CONSTRAINT windows_pkey PRIMARY KEY (account_id, conversation_id)
);
CREATE INDEX windows_by_time ON inbox.windows (check_at);
COMMENT ON TABLE inbox.windows IS 'Conversations whose window is watched: when it is about to close, somebody is told. A row stays while the contact goes on writing, so that messages need not touch it.';
COMMENT ON COLUMN inbox.windows.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.windows.conversation_id IS 'The conversation.';
COMMENT ON COLUMN inbox.windows.check_at IS 'When to look at its window next.';

-- An address that led to a deleted conversation has a tombstone too, though it never had a version.
ALTER TABLE inbox.tombstones
    DROP CONSTRAINT tombstones_version_is_positive,
    ADD CONSTRAINT tombstones_version_is_not_negative CHECK (version >= 0);

GRANT SELECT, INSERT, UPDATE, DELETE ON inbox.sends, inbox.identities, inbox.windows TO inbox_worker;
GRANT SELECT, INSERT, DELETE ON inbox.receipts TO inbox_worker;
GRANT SELECT, INSERT, UPDATE ON inbox.send_rates TO inbox_worker;
