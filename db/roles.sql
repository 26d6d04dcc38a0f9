-- The two roles of a deployment. A superuser creates them before the first migration.
--
-- inbox_owner owns the database and the schema, and runs `inbox migrate`. The workers log in as
-- inbox_worker: it has the rights that migrations grant, and cannot create or change a table. The
-- passwords are read from the session's settings inbox.owner_password and inbox.worker_password:
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
