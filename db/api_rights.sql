-- The rights of inbox_api, with which the HTTP API may log in. `inbox migrate` grants them each time
-- that it runs, if there is such a role: an installation may add it later (db/roles.sql).

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'inbox_api') THEN
        GRANT USAGE ON SCHEMA inbox TO inbox_api;
        GRANT SELECT ON
            inbox.accounts, inbox.channels, inbox.commands, inbox.conversations, inbox.history,
            inbox.identities, inbox.installation, inbox.links, inbox.messages, inbox.migrations,
            inbox.positions, inbox.seen, inbox.sends, inbox.tombstones, inbox.users
            TO inbox_api;
        GRANT INSERT, UPDATE, DELETE ON inbox.seen TO inbox_api;
    END IF;
END
$$;
