#!/bin/sh
# Run once by the Postgres image, when its volume is new: the roles, and the database to its owner.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d "$POSTGRES_DB" \
    -c "SET inbox.owner_password = '$OWNER_PASSWORD'" \
    -c "SET inbox.worker_password = '$WORKER_PASSWORD'" \
    -c "SET inbox.api_password = '$API_PASSWORD'" \
    -f /srv/roles.sql \
    -c "ALTER DATABASE \"$POSTGRES_DB\" OWNER TO inbox_owner" \
    -c "REVOKE ALL ON DATABASE \"$POSTGRES_DB\" FROM PUBLIC" \
    -c "GRANT CONNECT ON DATABASE \"$POSTGRES_DB\" TO inbox_worker, inbox_api"
