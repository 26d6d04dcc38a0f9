-- name: directory_versions
-- The present version of each account's directory: a copy with another version is old.
SELECT account_id, directory_version FROM inbox.accounts WHERE account_id = ANY ($1::text[])

-- name: raise_directory_versions
-- Raise the versions of accounts whose users change, and lock the accounts, in order.
INSERT INTO inbox.accounts AS a (account_id, directory_version)
SELECT account_id, 1 FROM unnest($1::text[]) AS k (account_id)
ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE SET directory_version = a.directory_version + 1

-- name: users_of_accounts
-- All users of some accounts.
SELECT account_id, user_id, name, email, inbox_access, available, settings
FROM inbox.users
WHERE account_id = ANY ($1::text[])

-- name: users_by_id
-- The users that a batch changes.
SELECT u.account_id, u.user_id, u.name, u.email, u.inbox_access, u.available, u.settings
FROM unnest($1::text[], $2::text[]) AS k (account_id, user_id)
JOIN inbox.users AS u USING (account_id, user_id)

-- name: save_users
-- The users that a batch created or changed.
INSERT INTO inbox.users (account_id, user_id, name, email, inbox_access, available, settings)
SELECT *
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::jsonb[]
)
ON CONFLICT (account_id, user_id) DO UPDATE
SET name = excluded.name, email = excluded.email, inbox_access = excluded.inbox_access,
    available = excluded.available, settings = excluded.settings

-- name: remove_users
-- The users that a batch removed.
DELETE FROM inbox.users AS u
USING unnest($1::text[], $2::text[]) AS k (account_id, user_id)
WHERE u.account_id = k.account_id AND u.user_id = k.user_id

-- name: channels_by_id
-- The channels that a batch needs.
SELECT c.account_id, c.channel_id, c.provider, c.address, c.name, c.installed_by, c.removed,
       c.provider_account_id, c.webhook_account_id
FROM unnest($1::text[], $2::text[]) AS k (account_id, channel_id)
JOIN inbox.channels AS c USING (account_id, channel_id)

-- name: channels_of_account
-- All channels that an account has or had: installed ones first, the newest first among them.
SELECT account_id, channel_id, provider, address, name, installed_by, removed, provider_account_id,
       webhook_account_id
FROM inbox.channels
WHERE account_id = $1
ORDER BY removed, installed_at DESC, channel_id

-- name: save_channels
-- The channels that a batch installed or removed.
INSERT INTO inbox.channels AS c (
    account_id, channel_id, provider, address, name, installed_by, removed, provider_account_id,
    installed_at
)
SELECT *, $9::timestamptz
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
    $8::text[]
)
ON CONFLICT (account_id, channel_id) DO UPDATE
SET provider = excluded.provider, address = excluded.address, name = excluded.name,
    installed_by = excluded.installed_by, removed = excluded.removed,
    provider_account_id = excluded.provider_account_id, installed_at = excluded.installed_at,
    -- Another address may belong to another account of the provider.
    webhook_account_id = CASE WHEN c.address = excluded.address THEN c.webhook_account_id END

-- name: save_last_received
-- When messages of contacts were last recorded on some channels. It waits for no lock: what another
-- transaction has locked is passed over, and the rest is locked in order.
WITH free AS MATERIALIZED (
    SELECT c.account_id, c.channel_id
    FROM unnest($1::text[], $2::text[]) AS k (account_id, channel_id)
    JOIN inbox.channels AS c USING (account_id, channel_id)
    WHERE c.last_received_at IS NULL OR c.last_received_at < $3
    ORDER BY c.account_id, c.channel_id
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE inbox.channels AS c SET last_received_at = $3
FROM free AS f
WHERE c.account_id = f.account_id AND c.channel_id = f.channel_id

-- name: save_webhook_account
-- The provider's account of the newest webhook to a channel, if it is another one than before.
UPDATE inbox.channels
SET webhook_account_id = $3
WHERE account_id = $1 AND channel_id = $2 AND webhook_account_id IS DISTINCT FROM $3

-- name: channel_by_address
-- The installed channel of an account with an address; the newer one, if two have it.
SELECT channel_id FROM inbox.channels
WHERE account_id = $1 AND address = $2 AND NOT removed
ORDER BY installed_at DESC, channel_id
LIMIT 1

-- name: channel_by_address_ever
-- The installed channel of an account with an address, or else the last removed one that had it.
SELECT channel_id FROM inbox.channels
WHERE account_id = $1 AND address = $2
ORDER BY removed, installed_at DESC, channel_id
LIMIT 1
