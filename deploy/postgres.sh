#!/bin/sh
# Runs once, as PostgreSQL's superuser, when its data folder is new: creates the service's role and database.
# The role owns the database, because it migrates. It is neither a superuser nor BYPASSRLS, because row-level security
# does not apply to these, so the service would not be ready with such a role.
set -eu
case "$DATABASE_PASSWORD" in
    "" | *[!A-Za-z0-9_-]*)
        # It becomes a part of DATABASE_URL.
        echo "DATABASE_PASSWORD may only have letters, digits, - and _: try 'openssl rand -hex 24'," >&2
        echo "and take the half-made data folder away again (docker compose down --volumes)." >&2
        exit 1
        ;;
esac
# Not as an argument, because other processes can read arguments.
export DATABASE_PASSWORD
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv password DATABASE_PASSWORD
CREATE ROLE tasks LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE tasks OWNER tasks;
SQL
