-- name: present_users
-- The first $2 users of an account who are known and have inbox access, by name.
SELECT user_id, name, available
FROM inbox.users
WHERE account_id = $1 AND name IS NOT NULL AND inbox_access
ORDER BY lower(name), user_id
LIMIT $2

-- name: listed_channels
-- The first $2 channels that an account has or had, the installed ones first, by name; only the
-- channel $3 if that is not null.
SELECT channel_id, name, provider, address, installed_by, removed, last_received_at
FROM inbox.channels
WHERE account_id = $1 AND ($3::text IS NULL OR channel_id = $3)
ORDER BY removed, lower(name), channel_id
LIMIT $2
