#!/bin/sh
# PgBouncer reads passwords from a file, so write one that disappears with the container.
set -eu
umask 077
printf '"tasks" "%s"\n' "$DATABASE_PASSWORD" >/run/pgbouncer/users.txt
unset DATABASE_PASSWORD
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
