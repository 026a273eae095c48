#!/bin/sh
# PgBouncer reads passwords from a file, so one is written to where nothing outlives the container.
set -eu
umask 077
printf '"tasks" "%s"\n' "$DATABASE_PASSWORD" >/run/pgbouncer/users.txt
unset DATABASE_PASSWORD
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
