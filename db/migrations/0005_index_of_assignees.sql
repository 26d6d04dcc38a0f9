-- The conversations of an assignee. This is a migration of its own: while the index is built, nobody
-- writes to the table, and what else is locked would be locked as long.
-- readable_from: 3

-- A message changes no indexed column, so its update stays in place (HOT); an assignment does not.
CREATE INDEX conversations_of_assignee ON inbox.conversations (assignee_id, account_id, conversation_id)
    WHERE assignee_id IS NOT NULL;
COMMENT ON TABLE inbox.conversations IS 'The one thread between a channel and a contact. No index on what a message changes: every message updates its row in place (HOT).';
