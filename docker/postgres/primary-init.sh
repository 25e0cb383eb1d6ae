#!/bin/sh
# Runs once, when the primary's data folder is made: the user by which the standby follows.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set=secret="$POSTGRES_REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE replication WITH REPLICATION LOGIN PASSWORD :'secret';
SQL
echo "host replication replication samenet scram-sha-256" >> "$PGDATA/pg_hba.conf"
# Only from now on commits wait for the standby, since none exists while the folder is made.
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --command "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)'"
