-- What a message is about, which account of the provider owns a number, assignees who are gone, and
-- the Kafka topics to which this database belongs.
-- readable_from: 3

ALTER TABLE inbox.messages ADD COLUMN context jsonb;
COMMENT ON COLUMN inbox.messages.context IS 'What the message is about beside its text: the message that it answers, a button, a form, an ad, a place. Null: nothing.';

ALTER TABLE inbox.channels
    ADD COLUMN provider_account_id text,
    ADD COLUMN webhook_account_id text;
COMMENT ON COLUMN inbox.channels.provider_account_id IS 'The provider''s account that owns the address, as channel.installed named it; null where it named none.';
COMMENT ON COLUMN inbox.channels.webhook_account_id IS 'The provider''s account of the newest webhook to this channel. It counts where channel.installed named none.';

ALTER TABLE inbox.sends
    ADD COLUMN provider_account_id text,
    ADD COLUMN webhook_account_id text;
COMMENT ON COLUMN inbox.sends.provider_account_id IS 'The provider''s account through which the part goes out, as the channel''s installation named it.';
COMMENT ON COLUMN inbox.sends.webhook_account_id IS 'The provider''s account of the channel''s newest webhook: the part goes out through it where the installation named none, or else through the first one of the tenant.';
COMMENT ON COLUMN inbox.sends.part IS 'Which part of a reply that its channel does not take in one message; also what a status callback calls the attempt.';
COMMENT ON COLUMN inbox.sends.media_urls IS 'The files of this part.';
COMMENT ON COLUMN inbox.sends.error_code IS 'The provider''s code: where it refused or could not deliver; while queued, why it did not take the part yet.';

CREATE TABLE inbox.gone_assignees (
    account_id text NOT NULL,
    user_id text NOT NULL,
    cause_id text,
    CONSTRAINT gone_assignees_pkey PRIMARY KEY (account_id, user_id)
);
COMMENT ON TABLE inbox.gone_assignees IS 'Users who were removed or lost inbox access, until none of their conversations is left to unassign. Who left before this table was made is found by workers.';
COMMENT ON COLUMN inbox.gone_assignees.account_id IS 'The tenant.';
COMMENT ON COLUMN inbox.gone_assignees.user_id IS 'The user.';
COMMENT ON COLUMN inbox.gone_assignees.cause_id IS 'The id of the directory''s event that took the access; null where it is not known.';

CREATE TABLE inbox.installation (
    single boolean NOT NULL DEFAULT true,
    topic_prefix text NOT NULL,
    partitions integer NOT NULL,
    kafka_cluster_id text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installation_pkey PRIMARY KEY (single),
    CONSTRAINT installation_is_one_row CHECK (single),
    CONSTRAINT installation_partitions_are_positive CHECK (partitions >= 1)
);
COMMENT ON TABLE inbox.installation IS 'The topics that this database belongs to, written at the first start: positions and conversations are of these topics and no others.';
COMMENT ON COLUMN inbox.installation.single IS 'Always true: the table has one row.';
COMMENT ON COLUMN inbox.installation.topic_prefix IS 'INBOX_TOPIC_PREFIX.';
COMMENT ON COLUMN inbox.installation.partitions IS 'INBOX_PARTITIONS.';
COMMENT ON COLUMN inbox.installation.kafka_cluster_id IS 'The id that the Kafka cluster gave itself.';
COMMENT ON COLUMN inbox.installation.written_at IS 'When it was written.';

GRANT SELECT, INSERT, DELETE ON inbox.gone_assignees TO inbox_worker;
GRANT SELECT, INSERT ON inbox.installation TO inbox_worker;
