CREATE SCHEMA inbox;

COMMENT ON SCHEMA inbox IS 'The messaging inbox.';

CREATE TABLE inbox.accounts (
    account_id text NOT NULL,
    directory_version bigint NOT NULL
);

COMMENT ON TABLE inbox.accounts IS 'How often the users of an account changed, so that workers know when their copy is old.';

COMMENT ON COLUMN inbox.accounts.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.accounts.directory_version IS 'Raised by every batch that changes the account''s users.';

CREATE TABLE inbox.channels (
    account_id text NOT NULL,
    channel_id text NOT NULL,
    provider text NOT NULL,
    address text NOT NULL,
    name text NOT NULL,
    installed_by text NOT NULL,
    removed boolean NOT NULL,
    installed_at timestamp with time zone NOT NULL,
    provider_account_id text,
    webhook_account_id text,
    last_received_at timestamp with time zone
);

COMMENT ON TABLE inbox.channels IS 'Installed sender addresses. A removed one stays: its conversations still have an installer.';

COMMENT ON COLUMN inbox.channels.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.channels.channel_id IS 'The channel, within the account.';

COMMENT ON COLUMN inbox.channels.provider IS 'As channel.installed told it.';

COMMENT ON COLUMN inbox.channels.address IS 'The address that contacts write to, such as whatsapp:+14155238886.';

COMMENT ON COLUMN inbox.channels.name IS 'What people call it.';

COMMENT ON COLUMN inbox.channels.installed_by IS 'The user who installed it.';

COMMENT ON COLUMN inbox.channels.removed IS 'Whether channel.removed was the last word.';

COMMENT ON COLUMN inbox.channels.installed_at IS 'When it was last installed; of two channels with one address the newer counts.';

COMMENT ON COLUMN inbox.channels.provider_account_id IS 'The provider''s account that owns the address, as channel.installed named it; null where it named none.';

COMMENT ON COLUMN inbox.channels.webhook_account_id IS 'The provider''s account of the newest webhook to this channel. It counts where channel.installed named none.';

COMMENT ON COLUMN inbox.channels.last_received_at IS 'When a message of a contact was last recorded, to within a few seconds; historical ones do not count.';

CREATE TABLE inbox.commands (
    account_id text NOT NULL,
    command_id text NOT NULL,
    applied_at timestamp with time zone NOT NULL,
    code text,
    version integer
);

COMMENT ON TABLE inbox.commands IS 'Commands answered in the last 7 days: a repeat changes nothing and emits nothing.';

COMMENT ON COLUMN inbox.commands.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.commands.command_id IS 'The id of the command''s CloudEvent.';

COMMENT ON COLUMN inbox.commands.applied_at IS 'When it was answered; pruned after 7 days.';

COMMENT ON COLUMN inbox.commands.code IS 'The outcome: accepted, or the code of the rejection. Null: an older program applied it.';

COMMENT ON COLUMN inbox.commands.version IS 'The version of the conversation after the command; 0 if there is none.';

CREATE TABLE inbox.conversations (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id text NOT NULL,
    contact_address text NOT NULL,
    contact_name text,
    status text NOT NULL,
    assignee_id text,
    version integer NOT NULL,
    message_count integer NOT NULL,
    last_message_at timestamp with time zone,
    last_inbound_at timestamp with time zone,
    closed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    link_count integer DEFAULT 0 NOT NULL,
    erased_until timestamp with time zone,
    window_until timestamp with time zone,
    window_watched boolean DEFAULT false NOT NULL,
    last_direction text,
    merged_into uuid,
    activity_slot timestamp with time zone GENERATED ALWAYS AS (date_bin('00:15:00'::interval, COALESCE(last_message_at, created_at), '2000-01-01 00:00:00+00'::timestamp with time zone)) STORED,
    CONSTRAINT conversations_closed_at_tells_status CHECK (((closed_at IS NOT NULL) = (status = 'closed'::text))),
    CONSTRAINT conversations_last_direction_is_known CHECK ((last_direction = ANY (ARRAY['inbound'::text, 'outbound'::text]))),
    CONSTRAINT conversations_link_count_is_not_negative CHECK ((link_count >= 0)),
    CONSTRAINT conversations_message_count_is_not_negative CHECK ((message_count >= 0)),
    CONSTRAINT conversations_status_is_known CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text]))),
    CONSTRAINT conversations_version_is_positive CHECK ((version >= 1))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');

COMMENT ON TABLE inbox.conversations IS 'The one thread between a channel and a contact. No index on what a message changes: every message updates its row in place (HOT).';

COMMENT ON COLUMN inbox.conversations.account_id IS 'The tenant. Nothing crosses accounts.';

COMMENT ON COLUMN inbox.conversations.conversation_id IS 'uuid5 of account, channel and contact address: any publisher can compute it.';

COMMENT ON COLUMN inbox.conversations.channel_id IS 'The installed sender address that the contact wrote to.';

COMMENT ON COLUMN inbox.conversations.contact_address IS 'The contact''s address on the channel, as the provider writes it.';

COMMENT ON COLUMN inbox.conversations.contact_name IS 'The newest name that the provider told; null where it never told one.';

COMMENT ON COLUMN inbox.conversations.status IS 'open or closed.';

COMMENT ON COLUMN inbox.conversations.assignee_id IS 'The user it is assigned to, kept while closed; null: unassigned.';

COMMENT ON COLUMN inbox.conversations.version IS 'The number of changes so far. Each is one event on the conversations topic.';

COMMENT ON COLUMN inbox.conversations.message_count IS 'Messages recorded, in and out, historical ones too.';

COMMENT ON COLUMN inbox.conversations.last_message_at IS 'The newest sent_at of its messages.';

COMMENT ON COLUMN inbox.conversations.last_inbound_at IS 'When the newest message of the contact that is not historical was recorded; a close issued before is superseded.';

COMMENT ON COLUMN inbox.conversations.closed_at IS 'When it was closed; null while open.';

COMMENT ON COLUMN inbox.conversations.created_at IS 'When its first message was recorded.';

COMMENT ON COLUMN inbox.conversations.link_count IS 'Its rows in links: most conversations have none, and then nobody looks for them.';

COMMENT ON COLUMN inbox.conversations.erased_until IS 'When it was last deleted, if it started afresh since: messages not later belong to what was deleted and are not recorded.';

COMMENT ON COLUMN inbox.conversations.window_until IS 'Until when a free text may be sent: 24 hours after the contact last wrote. Null where the provider has no such window.';

COMMENT ON COLUMN inbox.conversations.window_watched IS 'Whether it has a row in windows.';

COMMENT ON COLUMN inbox.conversations.last_direction IS 'Whose the last word is: the direction of the message recorded last, historical ones aside.';

COMMENT ON COLUMN inbox.conversations.merged_into IS 'The older conversation of the same contact, which goes on in its place; null for all but those closed as the younger of two.';

COMMENT ON COLUMN inbox.conversations.activity_slot IS 'The quarter of an hour of the last message. The sections are indexed by it: an index on the time itself would end HOT updates, since each message changes that.';

CREATE TABLE inbox.deleted_messages (
    account_id text NOT NULL,
    message_id uuid NOT NULL,
    deleted_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE inbox.deleted_messages IS 'Ids of messages deleted in the last 7 days. A webhook tells no time of its message, so one that a provider repeats looks new; this tells that it is not.';

COMMENT ON COLUMN inbox.deleted_messages.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.deleted_messages.message_id IS 'A hash that tells nothing of the message.';

COMMENT ON COLUMN inbox.deleted_messages.deleted_at IS 'When it was deleted; pruned after 7 days.';

CREATE TABLE inbox.entity_requests (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    request_id text NOT NULL,
    answered boolean NOT NULL
);

COMMENT ON TABLE inbox.entity_requests IS 'Requests to create an entity in the CRM: each is answered by one link.';

COMMENT ON COLUMN inbox.entity_requests.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.entity_requests.conversation_id IS 'The conversation that the entity is to be linked to.';

COMMENT ON COLUMN inbox.entity_requests.request_id IS 'As the request named it, or derived from the command''s id.';

COMMENT ON COLUMN inbox.entity_requests.answered IS 'Whether a link answered it.';

CREATE TABLE inbox.gone_assignees (
    account_id text NOT NULL,
    user_id text NOT NULL,
    cause_id text
);

COMMENT ON TABLE inbox.gone_assignees IS 'Users who were removed or lost inbox access, until none of their conversations is left to unassign. Who left before this table was made is found by workers.';

COMMENT ON COLUMN inbox.gone_assignees.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.gone_assignees.user_id IS 'The user.';

COMMENT ON COLUMN inbox.gone_assignees.cause_id IS 'The id of the directory''s event that took the access; null where it is not known.';

CREATE TABLE inbox.history (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    version integer NOT NULL,
    type text NOT NULL,
    at timestamp with time zone NOT NULL,
    actor_id text,
    reason text NOT NULL,
    assignee_id text,
    entity_type text,
    entity_id text,
    CONSTRAINT history_type_is_known CHECK ((type = ANY (ARRAY['assigned'::text, 'unassigned'::text, 'closed'::text, 'reopened'::text, 'linked'::text, 'unlinked'::text]))),
    CONSTRAINT history_version_is_positive CHECK ((version >= 1))
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

CREATE TABLE inbox.identities (
    account_id text NOT NULL,
    alias_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id text NOT NULL,
    address text NOT NULL
);

COMMENT ON TABLE inbox.identities IS 'Further addresses of contacts: a message from such an address belongs to the conversation that it leads to.';

COMMENT ON COLUMN inbox.identities.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.identities.alias_id IS 'The conversation id that the address would have of its own.';

COMMENT ON COLUMN inbox.identities.conversation_id IS 'The conversation that it leads to.';

COMMENT ON COLUMN inbox.identities.channel_id IS 'The channel that the contact writes to.';

COMMENT ON COLUMN inbox.identities.address IS 'The address.';

CREATE TABLE inbox.installation (
    single boolean DEFAULT true NOT NULL,
    topic_prefix text NOT NULL,
    partitions integer NOT NULL,
    kafka_cluster_id text NOT NULL,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT installation_is_one_row CHECK (single),
    CONSTRAINT installation_partitions_are_positive CHECK ((partitions >= 1))
);

COMMENT ON TABLE inbox.installation IS 'The topics that this database belongs to, written at the first start: positions and conversations are of these topics and no others.';

COMMENT ON COLUMN inbox.installation.single IS 'Always true: the table has one row.';

COMMENT ON COLUMN inbox.installation.topic_prefix IS 'INBOX_TOPIC_PREFIX.';

COMMENT ON COLUMN inbox.installation.partitions IS 'INBOX_PARTITIONS.';

COMMENT ON COLUMN inbox.installation.kafka_cluster_id IS 'The id that the Kafka cluster gave itself.';

COMMENT ON COLUMN inbox.installation.written_at IS 'When it was written.';

CREATE TABLE inbox.links (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    linked_at timestamp with time zone NOT NULL,
    note_id uuid NOT NULL,
    note_revision integer NOT NULL,
    note_starts_at timestamp with time zone NOT NULL,
    note_message_count integer NOT NULL,
    note_character_count integer NOT NULL,
    note_left_alone boolean NOT NULL,
    CONSTRAINT links_entity_type_is_known CHECK ((entity_type = ANY (ARRAY['person'::text, 'lead'::text, 'deal'::text]))),
    CONSTRAINT links_note_counts_are_not_negative CHECK (((note_message_count >= 0) AND (note_character_count >= 0))),
    CONSTRAINT links_note_revision_is_positive CHECK ((note_revision >= 1))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');

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

CREATE TABLE inbox.messages (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    message_id uuid NOT NULL,
    channel_id text NOT NULL,
    provider_message_id text,
    direction text NOT NULL,
    sender_name text,
    sender_address text NOT NULL,
    body text NOT NULL,
    media jsonb NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    historical boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    version integer NOT NULL,
    context jsonb,
    CONSTRAINT messages_direction_is_known CHECK ((direction = ANY (ARRAY['inbound'::text, 'outbound'::text])))
);

COMMENT ON TABLE inbox.messages IS 'Every message, once. No foreign key: a row is only ever written in the transaction that holds its conversation''s lock, and a check per row would cost more than the row.';

COMMENT ON COLUMN inbox.messages.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.messages.conversation_id IS 'The conversation it belongs to.';

COMMENT ON COLUMN inbox.messages.message_id IS 'uuid5 of account, channel and provider message id, so that its uniqueness is theirs.';

COMMENT ON COLUMN inbox.messages.channel_id IS 'The channel it came through.';

COMMENT ON COLUMN inbox.messages.provider_message_id IS 'The provider''s id, such as Twilio''s MessageSid.';

COMMENT ON COLUMN inbox.messages.direction IS 'inbound: from the contact; outbound: a reply.';

COMMENT ON COLUMN inbox.messages.sender_name IS 'The sender''s name as told with this message.';

COMMENT ON COLUMN inbox.messages.sender_address IS 'The address it was sent from.';

COMMENT ON COLUMN inbox.messages.body IS 'The text; empty for a message of files alone.';

COMMENT ON COLUMN inbox.messages.media IS 'Array of {url, content_type}.';

COMMENT ON COLUMN inbox.messages.sent_at IS 'When the provider says it was sent.';

COMMENT ON COLUMN inbox.messages.historical IS 'An import: it neither reopened nor notified.';

COMMENT ON COLUMN inbox.messages.recorded_at IS 'When it was recorded here, by the database''s clock.';

COMMENT ON COLUMN inbox.messages.version IS 'The version of its conversation that recorded it: the order among messages of one sent_at.';

COMMENT ON COLUMN inbox.messages.context IS 'What the message is about beside its text: the message that it answers, a button, a form, an ad, a place. Null: nothing.';

CREATE TABLE inbox.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    readable_from integer
);

COMMENT ON TABLE inbox.migrations IS 'The migrations that were applied.';

COMMENT ON COLUMN inbox.migrations.number IS 'Its number, from 1.';

COMMENT ON COLUMN inbox.migrations.name IS 'Its file''s name.';

COMMENT ON COLUMN inbox.migrations.applied_at IS 'When it was applied.';

COMMENT ON COLUMN inbox.migrations.readable_from IS 'The oldest program, by its newest migration, that runs on the result. Null: none that is older than this migration.';

CREATE TABLE inbox.outbox (
    shard integer NOT NULL,
    number bigint NOT NULL,
    records integer NOT NULL,
    payload bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');
ALTER TABLE ONLY inbox.outbox ALTER COLUMN payload SET STORAGE EXTERNAL;

COMMENT ON TABLE inbox.outbox IS 'Records to be published, a row for what one batch says to one shard; deleted once published.';

COMMENT ON COLUMN inbox.outbox.shard IS 'The shard that publishes it.';

COMMENT ON COLUMN inbox.outbox.number IS 'Its place in the shard, without gaps.';

COMMENT ON COLUMN inbox.outbox.records IS 'How many records the payload holds.';

COMMENT ON COLUMN inbox.outbox.payload IS 'LZ4 block of MessagePack: an array of [topic, partition, key, value, headers].';

COMMENT ON COLUMN inbox.outbox.created_at IS 'When it was written; the age of the oldest is the relay''s lag.';

CREATE TABLE inbox.outbox_shards (
    shard integer NOT NULL,
    last_number bigint NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE inbox.outbox_shards IS 'The counters that number the outbox without gaps, in commit order: locked last in a transaction.';

COMMENT ON COLUMN inbox.outbox_shards.shard IS 'The shard, a partition of the relay topic.';

COMMENT ON COLUMN inbox.outbox_shards.last_number IS 'The number of the newest row of this shard.';

CREATE TABLE inbox.positions (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    CONSTRAINT positions_next_offset_is_not_negative CHECK ((next_offset >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE inbox.positions IS 'How far each partition is applied: moved in the transaction that applies a batch, so that it fences zombies, drops what is done and detects loss.';

COMMENT ON COLUMN inbox.positions.topic IS 'The topic''s full name.';

COMMENT ON COLUMN inbox.positions.partition IS 'The partition''s number.';

COMMENT ON COLUMN inbox.positions.next_offset IS 'The offset of the first record that is not applied.';

CREATE TABLE inbox.receipts (
    account_id text NOT NULL,
    provider_message_id text NOT NULL,
    event_id text NOT NULL,
    status text NOT NULL,
    error_code integer,
    message_id uuid,
    attempt integer,
    received_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE inbox.receipts IS 'Every delivery receipt, those too that came early, or for a message that nobody here sent. Holds no address and no text; pruned after 90 days.';

COMMENT ON COLUMN inbox.receipts.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.receipts.provider_message_id IS 'The provider''s id of the message.';

COMMENT ON COLUMN inbox.receipts.event_id IS 'The id of the receipt''s CloudEvent: a repeat is kept once.';

COMMENT ON COLUMN inbox.receipts.status IS 'The provider''s word, known or not.';

COMMENT ON COLUMN inbox.receipts.error_code IS 'The provider''s code, if it told one.';

COMMENT ON COLUMN inbox.receipts.message_id IS 'The reply that the callback named.';

COMMENT ON COLUMN inbox.receipts.attempt IS 'The part of it that the callback named.';

COMMENT ON COLUMN inbox.receipts.received_at IS 'When it was applied, by the database''s clock.';

CREATE TABLE inbox.redrives (
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    redriven_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE inbox.redrives IS 'Dead letters that were put back, so that none is put back twice by mistake.';

COMMENT ON COLUMN inbox.redrives.partition IS 'The dead letter''s partition.';

COMMENT ON COLUMN inbox.redrives."offset" IS 'The dead letter''s offset.';

COMMENT ON COLUMN inbox.redrives.redriven_at IS 'When it was put back.';

CREATE TABLE inbox.seen (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    user_id text NOT NULL,
    version integer NOT NULL,
    CONSTRAINT seen_version_is_positive CHECK ((version >= 1))
)
WITH (fillfactor='70');

COMMENT ON TABLE inbox.seen IS 'How far each user has seen each conversation. The API alone writes it.';

COMMENT ON COLUMN inbox.seen.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.seen.conversation_id IS 'The conversation.';

COMMENT ON COLUMN inbox.seen.user_id IS 'The user.';

COMMENT ON COLUMN inbox.seen.version IS 'The version that they have seen; it never goes back.';

CREATE TABLE inbox.send_rates (
    account_id text NOT NULL,
    from_address text NOT NULL,
    next_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE inbox.send_rates IS 'A token bucket per sender, shared by all workers.';

COMMENT ON COLUMN inbox.send_rates.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.send_rates.from_address IS 'The sender.';

COMMENT ON COLUMN inbox.send_rates.next_at IS 'When its next message is due at its rate; a burst may run ahead of that by a second.';

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
    created_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    posting_at timestamp with time zone,
    provider_message_id text,
    status text,
    error_code integer,
    told_uncertain boolean NOT NULL,
    provider_account_id text,
    webhook_account_id text,
    CONSTRAINT sends_accepted_has_an_id CHECK (((state <> 'accepted'::text) OR (provider_message_id IS NOT NULL))),
    CONSTRAINT sends_part_is_one_of_parts CHECK (((part >= 1) AND (part <= parts))),
    CONSTRAINT sends_state_is_known CHECK ((state = ANY (ARRAY['queued'::text, 'posting'::text, 'accepted'::text, 'failed'::text, 'uncertain'::text])))
)
WITH (fillfactor='70');

COMMENT ON TABLE inbox.sends IS 'The parts of replies on their way to the provider: posting is committed before the POST, so that none is ever posted twice.';

COMMENT ON COLUMN inbox.sends.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.sends.conversation_id IS 'The conversation of the reply.';

COMMENT ON COLUMN inbox.sends.version IS 'The version that recorded the reply: the order of sending within a conversation.';

COMMENT ON COLUMN inbox.sends.part IS 'Which part of a reply that its channel does not take in one message; also what a status callback calls the attempt.';

COMMENT ON COLUMN inbox.sends.parts IS 'How many there are.';

COMMENT ON COLUMN inbox.sends.message_id IS 'The reply.';

COMMENT ON COLUMN inbox.sends.command_id IS 'The command that asked for it.';

COMMENT ON COLUMN inbox.sends.channel_id IS 'The channel it goes out on.';

COMMENT ON COLUMN inbox.sends.from_address IS 'The channel''s address.';

COMMENT ON COLUMN inbox.sends.to_address IS 'The contact''s address.';

COMMENT ON COLUMN inbox.sends.body IS 'The text of this part; empty for a template or files alone.';

COMMENT ON COLUMN inbox.sends.media_urls IS 'The files of this part.';

COMMENT ON COLUMN inbox.sends.content_sid IS 'The template, for one.';

COMMENT ON COLUMN inbox.sends.content_variables IS 'What is filled into the template.';

COMMENT ON COLUMN inbox.sends.state IS 'queued, posting, accepted, failed or uncertain: see docs/sending.md.';

COMMENT ON COLUMN inbox.sends.attempts IS 'POSTs that were begun; more than one only where the provider surely had not taken the one before.';

COMMENT ON COLUMN inbox.sends.created_at IS 'When it was recorded, by the database''s clock.';

COMMENT ON COLUMN inbox.sends.due_at IS 'When something is to be done next: queued, the POST; posting or uncertain, a look at what became of it.';

COMMENT ON COLUMN inbox.sends.posting_at IS 'When the last POST was begun.';

COMMENT ON COLUMN inbox.sends.provider_message_id IS 'The provider''s id, once known.';

COMMENT ON COLUMN inbox.sends.status IS 'The delivery status: the maximum of the receipts.';

COMMENT ON COLUMN inbox.sends.error_code IS 'The provider''s code: where it refused or could not deliver; while queued, why it did not take the part yet.';

COMMENT ON COLUMN inbox.sends.told_uncertain IS 'Whether message.uncertain was published: from then on only a receipt settles it.';

COMMENT ON COLUMN inbox.sends.provider_account_id IS 'The provider''s account through which the part goes out, as the channel''s installation named it.';

COMMENT ON COLUMN inbox.sends.webhook_account_id IS 'The provider''s account of the channel''s newest webhook: the part goes out through it where the installation named none, or else through the first one of the tenant.';

CREATE TABLE inbox.tombstones (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    deleted_at timestamp with time zone NOT NULL,
    deleted_by text NOT NULL,
    version integer NOT NULL,
    CONSTRAINT tombstones_version_is_not_negative CHECK ((version >= 0))
);

COMMENT ON TABLE inbox.tombstones IS 'What stays of a deleted conversation: nothing that its contact wrote or is known by.';

COMMENT ON COLUMN inbox.tombstones.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.tombstones.conversation_id IS 'The deleted conversation.';

COMMENT ON COLUMN inbox.tombstones.deleted_at IS 'When it was last deleted, by the database''s clock; no message of that time or before brings it back.';

COMMENT ON COLUMN inbox.tombstones.deleted_by IS 'The user who deleted it.';

COMMENT ON COLUMN inbox.tombstones.version IS 'The version of its last event; should it start afresh, it goes on from here.';

CREATE TABLE inbox.users (
    account_id text NOT NULL,
    user_id text NOT NULL,
    name text,
    email text,
    inbox_access boolean NOT NULL,
    available boolean NOT NULL,
    settings jsonb NOT NULL
);

COMMENT ON TABLE inbox.users IS 'The users of an account.';

COMMENT ON COLUMN inbox.users.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.users.user_id IS 'The user, within the account.';

COMMENT ON COLUMN inbox.users.name IS 'Null until user.upserted told of the user: until then they are unknown to commands.';

COMMENT ON COLUMN inbox.users.email IS 'As user.upserted told it.';

COMMENT ON COLUMN inbox.users.inbox_access IS 'Whether they may use the inbox and are told of anything.';

COMMENT ON COLUMN inbox.users.available IS 'Whether conversations can be assigned to them.';

COMMENT ON COLUMN inbox.users.settings IS 'For each kind of notification, {desktop, email}.';

CREATE TABLE inbox.windows (
    account_id text NOT NULL,
    conversation_id uuid NOT NULL,
    check_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE inbox.windows IS 'Conversations whose window is watched: when it is about to close, somebody is told. A row stays while the contact goes on writing, so that messages need not touch it.';

COMMENT ON COLUMN inbox.windows.account_id IS 'The tenant.';

COMMENT ON COLUMN inbox.windows.conversation_id IS 'The conversation.';

COMMENT ON COLUMN inbox.windows.check_at IS 'When to look at its window next.';

ALTER TABLE ONLY inbox.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY inbox.channels
    ADD CONSTRAINT channels_pkey PRIMARY KEY (account_id, channel_id);

ALTER TABLE ONLY inbox.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (account_id, command_id);

ALTER TABLE ONLY inbox.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (account_id, conversation_id);

ALTER TABLE ONLY inbox.deleted_messages
    ADD CONSTRAINT deleted_messages_pkey PRIMARY KEY (account_id, message_id);

ALTER TABLE ONLY inbox.entity_requests
    ADD CONSTRAINT entity_requests_pkey PRIMARY KEY (account_id, conversation_id, request_id);

ALTER TABLE ONLY inbox.gone_assignees
    ADD CONSTRAINT gone_assignees_pkey PRIMARY KEY (account_id, user_id);

ALTER TABLE ONLY inbox.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (account_id, conversation_id, version);

ALTER TABLE ONLY inbox.identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (account_id, alias_id);

ALTER TABLE ONLY inbox.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (single);

ALTER TABLE ONLY inbox.links
    ADD CONSTRAINT links_pkey PRIMARY KEY (account_id, conversation_id, entity_type, entity_id);

ALTER TABLE ONLY inbox.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (account_id, message_id);

ALTER TABLE ONLY inbox.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY inbox.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (shard, number);

ALTER TABLE ONLY inbox.outbox_shards
    ADD CONSTRAINT outbox_shards_pkey PRIMARY KEY (shard);

ALTER TABLE ONLY inbox.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (topic, partition);

ALTER TABLE ONLY inbox.receipts
    ADD CONSTRAINT receipts_pkey PRIMARY KEY (account_id, provider_message_id, event_id);

ALTER TABLE ONLY inbox.redrives
    ADD CONSTRAINT redrives_pkey PRIMARY KEY (partition, "offset");

ALTER TABLE ONLY inbox.seen
    ADD CONSTRAINT seen_pkey PRIMARY KEY (account_id, conversation_id, user_id);

ALTER TABLE ONLY inbox.send_rates
    ADD CONSTRAINT send_rates_pkey PRIMARY KEY (account_id, from_address);

ALTER TABLE ONLY inbox.sends
    ADD CONSTRAINT sends_pkey PRIMARY KEY (account_id, conversation_id, version, part);

ALTER TABLE ONLY inbox.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (account_id, conversation_id);

ALTER TABLE ONLY inbox.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (account_id, user_id);

ALTER TABLE ONLY inbox.windows
    ADD CONSTRAINT windows_pkey PRIMARY KEY (account_id, conversation_id);

CREATE INDEX channels_by_address ON inbox.channels USING btree (account_id, address) WHERE (NOT removed);

CREATE INDEX commands_by_age ON inbox.commands USING btree (applied_at);

CREATE INDEX conversations_assigned ON inbox.conversations USING btree (account_id, assignee_id, activity_slot) WHERE ((status = 'open'::text) AND (assignee_id IS NOT NULL));

CREATE INDEX conversations_by_address ON inbox.conversations USING btree (account_id, "left"(lower((ltrim(substr(contact_address, (strpos(contact_address, ':'::text) + 1)), '+'::text) COLLATE pg_c_utf8)), 64)) WHERE (contact_address <> ''::text);

CREATE INDEX conversations_by_name ON inbox.conversations USING btree (account_id, "left"(lower((contact_name COLLATE pg_c_utf8)), 64)) WHERE (contact_name IS NOT NULL);

CREATE INDEX conversations_closed ON inbox.conversations USING btree (account_id, activity_slot) WHERE (status = 'closed'::text);

CREATE INDEX conversations_merged ON inbox.conversations USING btree (account_id, merged_into) WHERE (merged_into IS NOT NULL);

CREATE INDEX conversations_of_assignee ON inbox.conversations USING btree (assignee_id, account_id, conversation_id) WHERE (assignee_id IS NOT NULL);

CREATE INDEX conversations_unassigned ON inbox.conversations USING btree (account_id, activity_slot) WHERE ((status = 'open'::text) AND (assignee_id IS NULL));

CREATE INDEX deleted_messages_by_age ON inbox.deleted_messages USING btree (deleted_at);

CREATE INDEX identities_by_address ON inbox.identities USING btree (account_id, "left"(lower((ltrim(substr(address, (strpos(address, ':'::text) + 1)), '+'::text) COLLATE pg_c_utf8)), 64)) WHERE (address <> ''::text);

CREATE INDEX identities_of_conversation ON inbox.identities USING btree (conversation_id);

CREATE INDEX messages_in_order ON inbox.messages USING btree (conversation_id, sent_at, version);

CREATE INDEX messages_inbound ON inbox.messages USING btree (conversation_id, version) WHERE ((direction = 'inbound'::text) AND (NOT historical));

CREATE INDEX receipts_by_age ON inbox.receipts USING btree (received_at);

CREATE UNIQUE INDEX sends_claim_an_id_once ON inbox.sends USING btree (provider_message_id, account_id) WHERE (provider_message_id IS NOT NULL);

CREATE INDEX sends_due ON inbox.sends USING btree (due_at) WHERE ((state = ANY (ARRAY['queued'::text, 'posting'::text, 'uncertain'::text])) AND (NOT told_uncertain));

CREATE UNIQUE INDEX sends_of_message ON inbox.sends USING btree (message_id, part, account_id);

CREATE INDEX windows_by_time ON inbox.windows USING btree (check_at);

GRANT USAGE ON SCHEMA inbox TO inbox_worker;
GRANT USAGE ON SCHEMA inbox TO inbox_api;

GRANT SELECT,INSERT,UPDATE ON TABLE inbox.accounts TO inbox_worker;
GRANT SELECT ON TABLE inbox.accounts TO inbox_api;

GRANT SELECT,INSERT,UPDATE ON TABLE inbox.channels TO inbox_worker;
GRANT SELECT ON TABLE inbox.channels TO inbox_api;

GRANT SELECT,INSERT,DELETE ON TABLE inbox.commands TO inbox_worker;
GRANT SELECT ON TABLE inbox.commands TO inbox_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.conversations TO inbox_worker;
GRANT SELECT ON TABLE inbox.conversations TO inbox_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.deleted_messages TO inbox_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.entity_requests TO inbox_worker;

GRANT SELECT,INSERT,DELETE ON TABLE inbox.gone_assignees TO inbox_worker;

GRANT SELECT,INSERT,DELETE ON TABLE inbox.history TO inbox_worker;
GRANT SELECT ON TABLE inbox.history TO inbox_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.identities TO inbox_worker;
GRANT SELECT ON TABLE inbox.identities TO inbox_api;

GRANT SELECT,INSERT ON TABLE inbox.installation TO inbox_worker;
GRANT SELECT ON TABLE inbox.installation TO inbox_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.links TO inbox_worker;
GRANT SELECT ON TABLE inbox.links TO inbox_api;

GRANT SELECT,INSERT,DELETE ON TABLE inbox.messages TO inbox_worker;
GRANT SELECT ON TABLE inbox.messages TO inbox_api;

GRANT SELECT ON TABLE inbox.migrations TO inbox_worker;
GRANT SELECT ON TABLE inbox.migrations TO inbox_api;

GRANT SELECT,INSERT,DELETE ON TABLE inbox.outbox TO inbox_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE inbox.outbox_shards TO inbox_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE inbox.positions TO inbox_worker;
GRANT SELECT ON TABLE inbox.positions TO inbox_api;

GRANT SELECT,INSERT,DELETE ON TABLE inbox.receipts TO inbox_worker;

GRANT SELECT,INSERT ON TABLE inbox.redrives TO inbox_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.seen TO inbox_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.seen TO inbox_api;

GRANT SELECT,INSERT,UPDATE ON TABLE inbox.send_rates TO inbox_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.sends TO inbox_worker;
GRANT SELECT ON TABLE inbox.sends TO inbox_api;

GRANT SELECT,INSERT,UPDATE ON TABLE inbox.tombstones TO inbox_worker;
GRANT SELECT ON TABLE inbox.tombstones TO inbox_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.users TO inbox_worker;
GRANT SELECT ON TABLE inbox.users TO inbox_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE inbox.windows TO inbox_worker;
