-- What the first migration stands on: the worker's role, the schema, and the list of steps.
-- Run whenever a migration is missing, so each statement leaves alone what is there already.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'inbox_worker') THEN
        -- Without a login: grant it to the user that INBOX_DATABASE_URL names.
        CREATE ROLE inbox_worker NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migration won
END
$$;

DO $$
BEGIN
    -- Not IF NOT EXISTS: that demands the right to create schemas even where there is nothing to do.
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'inbox') THEN
        CREATE SCHEMA inbox;
        COMMENT ON SCHEMA inbox IS 'The messaging inbox.';
    END IF;
END
$$;

GRANT USAGE ON SCHEMA inbox TO inbox_worker;

CREATE TABLE IF NOT EXISTS inbox.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migrations_pkey PRIMARY KEY (number)
);
ALTER TABLE inbox.migrations ADD COLUMN IF NOT EXISTS readable_from integer;
COMMENT ON TABLE inbox.migrations IS 'The migrations that were applied.';
COMMENT ON COLUMN inbox.migrations.number IS 'Its number, from 1.';
COMMENT ON COLUMN inbox.migrations.name IS 'Its file''s name.';
COMMENT ON COLUMN inbox.migrations.applied_at IS 'When it was applied.';
COMMENT ON COLUMN inbox.migrations.readable_from IS 'The oldest program, by its newest migration, that runs on the result. Null: none that is older than this migration.';

GRANT SELECT ON inbox.migrations TO inbox_worker;
