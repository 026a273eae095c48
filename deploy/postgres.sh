#!/bin/sh
# Runs once, as PostgreSQL's superuser, when its data folder is new: creates the database and its two roles. The owner
# migrates; the service's role, which `flask db grant` lets read and write rows, cannot change the tables that isolate
# users. Neither is a superuser or BYPASSRLS, because row-level security does not apply to these.
set -eu
for name in OWNER_PASSWORD DATABASE_PASSWORD; do
    eval "password=\${$name:-}"
    case "$password" in
        "" | *[!A-Za-z0-9_-]*)
            # It becomes a part of DATABASE_URL.
            echo "$name may only have letters, digits, - and _: try 'openssl rand -hex 24'," >&2
            echo "and take the half-made data folder away again (docker compose down --volumes)." >&2
            exit 1
            ;;
    esac
done
# Not as arguments, because other processes can read arguments.
export OWNER_PASSWORD DATABASE_PASSWORD
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv password DATABASE_PASSWORD
CREATE ROLE tasks_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'owner_password';
CREATE ROLE tasks LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
CREATE DATABASE tasks OWNER tasks_owner;
SQL
