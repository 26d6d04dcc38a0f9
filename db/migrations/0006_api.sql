-- What the HTTP API reads: the place of a conversation in its section, who changed what, the outcome of
-- each command, and what each user has seen. The indexes are migrations of their own.
-- readable_from: 3

-- The table is written anew once, because of the stored column.
ALTER TABLE inbox.conversations
    ADD COLUMN activity_slot timestamptz GENERATED ALWAYS AS (
        date_bin('15 minutes', coalesce(last_message_at, created_at), '2000-01-01 00:00:00+00')
    ) STORED;
COMMENT ON COLUMN inbox.conversations.activity_slot IS 'The quarter of an hour of the last message. The sections are indexed by it: an index on the time itself would end HOT updates, since each message changes that.';

ALTER TABLE inbox.commands
    ADD COLUMN code text,
    ADD COLUMN version integer;
COMMENT ON COLUMN inbox.commands.code IS 'The outcome: accepted, or the code of the rejection. Null: an older program applied it.';
COMMENT ON COLUMN inbox.commands.version IS 'The version of the conversation after the command; 0 if there is none.';

ALTER TABLE inbox.channels ADD COLUMN last_received_at timestamptz;
COMMENT ON COLUMN inbox.channels.last_received_at IS 'When a message of a contact was last recorded, to within a few seconds; historical ones do not count.';

CREATE TABLE inbox.history (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    version integer NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    actor_id text,
    reason text NOT NULL,
    assignee_id text,
    entity_type text,
    entity_id text,
    CONSTRAINT history_pkey PRIMARY KEY (account_id, conversation_id, version),
    CONSTRAINT history_type_is_known
        CHECK (type IN ('assigned', 'unassigned', 'closed', 'reopened', 'linked', 'unlinked')),
    CONSTRAINT history_version_is_positive CHECK (version >= 1)
);
COMMENT ON TABLE inbox.history IS 'Who assigned, closed, reopened and linked a conversation, and why. The log on Kafka has all of it too.';
COMMENT ON COLUMN inbox.history.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.history.conversation_id IS 'The conversation.';
COMMENT ON COLUMN inbox.history.version IS 'The version that the change made.';
COMMENT ON COLUMN inbox.history.type IS 'What was done: the type of the event of the log.';
COMMENT ON COLUMN inbox.history.at IS 'When it was applied, by the database''s clock.';
COMMENT ON COLUMN inbox.history.actor_id IS 'The user who did it; null if the contact or the system did.';
COMMENT ON COLUMN inbox.history.reason IS 'Why, as the event of the log says.';
COMMENT ON COLUMN inbox.history.assignee_id IS 'The assignee from then on.';
COMMENT ON COLUMN inbox.history.entity_type IS 'The entity that was linked or unlinked: person, lead or deal.';
COMMENT ON COLUMN inbox.history.entity_id IS 'Its id in the CRM.';

CREATE TABLE inbox.seen (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    user_id text NOT NULL,
    version integer NOT NULL,
    CONSTRAINT seen_pkey PRIMARY KEY (account_id, conversation_id, user_id),
    CONSTRAINT seen_version_is_positive CHECK (version >= 1)
)
WITH (fillfactor = 70);
COMMENT ON TABLE inbox.seen IS 'How far each user has seen each conversation. The API alone writes it.';
COMMENT ON COLUMN inbox.seen.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.seen.conversation_id IS 'The conversation.';
COMMENT ON COLUMN inbox.seen.user_id IS 'The user.';
COMMENT ON COLUMN inbox.seen.version IS 'The version that they have seen; it never goes back.';

GRANT SELECT, INSERT, DELETE ON inbox.history TO inbox_worker;
-- The API runs as inbox_worker where it has no role of its own.
GRANT SELECT, INSERT, UPDATE, DELETE ON inbox.seen TO inbox_worker;
