#!/bin/sh
# Runs once, as PostgreSQL's superuser, when its data folder is new: makes the service's role and database.
# The role owns the database, for it migrates; and it is neither a superuser nor BYPASSRLS, for no row-level security
# holds these: the service says at /readyz that it will not serve with such a role.
set -eu
case "$DATABASE_PASSWORD" in
    "" | *[!A-Za-z0-9_-]*)
        # It becomes a part of DATABASE_URL.
        echo "DATABASE_PASSWORD may only have letters, digits, - and _: try 'openssl rand -hex 24'," >&2
        echo "and take the half-made data folder away again (docker compose down --volumes)." >&2
        exit 1
        ;;
esac
# Not as an argument: these can be read by other processes.
export DATABASE_PASSWORD
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv password DATABASE_PASSWORD
CREATE ROLE tasks LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE tasks OWNER tasks;
SQL
