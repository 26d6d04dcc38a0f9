-- The order of each section, the search for contacts, and what was merged. This is a migration of its
-- own: while the indexes are built, nobody writes to the table, and what else is locked would be locked
-- as long.
-- readable_from: 3

CREATE INDEX conversations_unassigned ON inbox.conversations (account_id, activity_slot)
    WHERE status = 'open' AND assignee_id IS NULL;
CREATE INDEX conversations_assigned ON inbox.conversations (account_id, assignee_id, activity_slot)
    WHERE status = 'open' AND assignee_id IS NOT NULL;
CREATE INDEX conversations_closed ON inbox.conversations (account_id, activity_slot)
    WHERE status = 'closed';

-- By the beginning of a name or an address, in lower case, without the channel's prefix and the `+`.
-- An index holds at most some kilobytes of a value, and a name may be longer. Each has a condition that
-- always holds, so that no query of a worker takes it for one that finds rows by their account. The
-- collation knows the small letters of every alphabet, whatever the locale of the database.
CREATE INDEX conversations_by_name ON inbox.conversations
    (account_id, left(lower(contact_name COLLATE pg_c_utf8), 64)) WHERE contact_name IS NOT NULL;
CREATE INDEX conversations_by_address ON inbox.conversations
    (account_id, left(lower(ltrim(substr(contact_address, strpos(contact_address, ':') + 1), '+') COLLATE pg_c_utf8), 64))
    WHERE contact_address <> '';

-- To find what was merged into a conversation.
CREATE INDEX conversations_merged ON inbox.conversations (account_id, merged_into)
    WHERE merged_into IS NOT NULL;
