-- The order of a conversation's messages, those of one time too: a page of them needs no sort, however
-- many there are. This is a migration of its own: while the index is built, nobody writes to the table,
-- and what else is locked would be locked as long.
-- readable_from: 3

CREATE INDEX messages_in_order ON inbox.messages (conversation_id, sent_at, version);
DROP INDEX inbox.messages_of_conversation;
