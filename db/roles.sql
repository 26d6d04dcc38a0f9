-- The two roles of a deployment, made by a superuser before the first migration.
--
-- inbox_owner owns the database and the schema, and runs `inbox migrate`; inbox_worker is who the
-- workers log in as: it may use what migrations grant it, and make or change no table. The
-- passwords come from the settings inbox.owner_password and inbox.worker_password of the session:
--
--   psql -v ON_ERROR_STOP=1 -c "SET inbox.owner_password = '...'" \
--        -c "SET inbox.worker_password = '...'" -f db/roles.sql

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['owner', 'worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'inbox_' || role) THEN
            EXECUTE format('CREATE ROLE %I', 'inbox_' || role);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN PASSWORD %L',
            'inbox_' || role, current_setting('inbox.' || role || '_password')
        );
    END LOOP;
END
$$;
