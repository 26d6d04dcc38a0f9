-- Links to the CRM with their rolling notes, and deletion for good.

ALTER TABLE inbox.conversations
    ADD COLUMN link_count integer NOT NULL DEFAULT 0,
    ADD COLUMN erased_until timestamptz,
    ADD CONSTRAINT conversations_link_count_is_not_negative CHECK (link_count >= 0);
COMMENT ON COLUMN inbox.conversations.link_count IS 'Its rows in links: most conversations have none, and then nobody looks for them.';
COMMENT ON COLUMN inbox.conversations.erased_until IS 'When it was last deleted, if it started afresh since: messages not later belong to what was deleted and are not recorded.';

-- 0 for what was recorded before this column was there.
ALTER TABLE inbox.messages ADD COLUMN version integer NOT NULL DEFAULT 0;
ALTER TABLE inbox.messages ALTER COLUMN version DROP DEFAULT;
COMMENT ON COLUMN inbox.messages.version IS 'The version of its conversation that recorded it: the order among messages of one sent_at.';

CREATE TABLE inbox.links (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    linked_at timestamptz NOT NULL,
    note_id uuid NOT NULL,
    note_revision integer NOT NULL,
    note_starts_at timestamptz NOT NULL,
    note_message_count integer NOT NULL,
    note_character_count integer NOT NULL,
    note_left_alone boolean NOT NULL,
    CONSTRAINT links_pkey PRIMARY KEY (account_id, conversation_id, entity_type, entity_id),
    CONSTRAINT links_entity_type_is_known CHECK (entity_type IN ('person', 'lead', 'deal')),
    CONSTRAINT links_note_revision_is_positive CHECK (note_revision >= 1),
    CONSTRAINT links_note_counts_are_not_negative CHECK (note_message_count >= 0 AND note_character_count >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON TABLE inbox.links IS 'A conversation''s links to the CRM, each with the newest note that it has there: no message joins an older one.';
COMMENT ON COLUMN inbox.links.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.links.conversation_id IS 'The linked conversation.';
COMMENT ON COLUMN inbox.links.entity_type IS 'person, lead or deal.';
COMMENT ON COLUMN inbox.links.entity_id IS 'The CRM''s id of the entity.';
COMMENT ON COLUMN inbox.links.linked_at IS 'The time of the command that linked it.';
COMMENT ON COLUMN inbox.links.note_id IS 'The newest note.';
COMMENT ON COLUMN inbox.links.note_revision IS 'The newest revision of that note.';
COMMENT ON COLUMN inbox.links.note_starts_at IS 'When its 24 hours start.';
COMMENT ON COLUMN inbox.links.note_message_count IS 'Messages in it.';
COMMENT ON COLUMN inbox.links.note_character_count IS 'Characters of those messages.';
COMMENT ON COLUMN inbox.links.note_left_alone IS 'Whether somebody edited or deleted it in the CRM: it is never touched again.';

CREATE TABLE inbox.entity_requests (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    request_id text NOT NULL,
    answered boolean NOT NULL,
    CONSTRAINT entity_requests_pkey PRIMARY KEY (account_id, conversation_id, request_id)
);
COMMENT ON TABLE inbox.entity_requests IS 'Requests to create an entity in the CRM: each is answered by one link.';
COMMENT ON COLUMN inbox.entity_requests.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.entity_requests.conversation_id IS 'The conversation that the entity is to be linked to.';
COMMENT ON COLUMN inbox.entity_requests.request_id IS 'As the request named it, or derived from the command''s id.';
COMMENT ON COLUMN inbox.entity_requests.answered IS 'Whether a link answered it.';

CREATE TABLE inbox.tombstones (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    deleted_at timestamptz NOT NULL,
    deleted_by text NOT NULL,
    version integer NOT NULL,
    CONSTRAINT tombstones_pkey PRIMARY KEY (account_id, conversation_id),
    CONSTRAINT tombstones_version_is_positive CHECK (version >= 1)
);
COMMENT ON TABLE inbox.tombstones IS 'What stays of a deleted conversation: nothing that its contact wrote or is known by.';
COMMENT ON COLUMN inbox.tombstones.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.tombstones.conversation_id IS 'The deleted conversation.';
COMMENT ON COLUMN inbox.tombstones.deleted_at IS 'When it was last deleted, by the database''s clock; no message of that time or before brings it back.';
COMMENT ON COLUMN inbox.tombstones.deleted_by IS 'The user who deleted it.';
COMMENT ON COLUMN inbox.tombstones.version IS 'The version of its last event; should it start afresh, it goes on from here.';

CREATE TABLE inbox.deleted_messages (
    account_id text NOT NULL,
    message_id uuid NOT NULL,
    deleted_at timestamptz NOT NULL,
    CONSTRAINT deleted_messages_pkey PRIMARY KEY (account_id, message_id)
);
CREATE INDEX deleted_messages_by_age ON inbox.deleted_messages (deleted_at);
COMMENT ON TABLE inbox.deleted_messages IS 'Ids of messages deleted in the last 7 days. A webhook tells no time of its message, so one that a provider repeats looks new; this tells that it is not.';
COMMENT ON COLUMN inbox.deleted_messages.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.deleted_messages.message_id IS 'A hash that tells nothing of the message.';
COMMENT ON COLUMN inbox.deleted_messages.deleted_at IS 'When it was deleted; pruned after 7 days.';

GRANT DELETE ON inbox.conversations, inbox.messages TO inbox_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON inbox.links, inbox.entity_requests, inbox.deleted_messages TO inbox_worker;
GRANT SELECT, INSERT, UPDATE ON inbox.tombstones TO inbox_worker;
