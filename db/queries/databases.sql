-- name: set_for_session
-- Change a setting for the rest of the session.
SELECT set_config($1, $2, false)

-- name: database_statements
-- The statements that create a database from a template, which the owner fills.
SELECT format('CREATE DATABASE %I OWNER inbox_owner TEMPLATE %I', $1::text, $2::text),
       format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text),
       format('GRANT CONNECT ON DATABASE %I TO inbox_worker, inbox_api', $1::text)

-- name: database_exists
-- Whether a database of that name exists.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)
