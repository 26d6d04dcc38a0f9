-- The search for contacts by their other addresses: see 0008. It is a migration of its own for the same
-- reason.
-- readable_from: 3

CREATE INDEX identities_by_address ON inbox.identities
    (account_id, left(lower(ltrim(substr(address, strpos(address, ':') + 1), '+') COLLATE pg_c_utf8), 64))
    WHERE address <> '';
