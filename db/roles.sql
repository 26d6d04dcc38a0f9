-- The roles of a deployment. A superuser creates them before the first migration.
--
-- inbox_owner owns the database and the schema, and runs `inbox migrate`. The workers log in as
-- inbox_worker: it has the rights that migrations grant, and cannot create or change a table. The
-- HTTP API logs in as inbox_api, which reads, and writes nothing but what users have seen. The
-- passwords are read from the session's settings inbox.owner_password, inbox.worker_password and
-- inbox.api_password. Without the last one, there is no inbox_api:
--
--   psql -v ON_ERROR_STOP=1 -c "SET inbox.owner_password = '...'" \
--        -c "SET inbox.worker_password = '...'" -c "SET inbox.api_password = '...'" \
--        -f db/roles.sql

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['owner', 'worker', 'api'] LOOP
        CONTINUE WHEN role = 'api' AND current_setting('inbox.api_password', true) IS NULL;
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
