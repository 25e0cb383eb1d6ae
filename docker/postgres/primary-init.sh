#!/bin/sh
# Runs once, when the primary's data folder is made: the user by which the standby follows, and a login for each process. What
# these may do is granted by migrations. No one of them can take up the connections of the others.
set -eu
sql() { psql --set=ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres "$@"; }
sql --set=secret="$POSTGRES_REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE replication WITH REPLICATION LOGIN PASSWORD :'secret';
SQL
login() {
  sql --set=name="plimsoll_$1" --set=secret="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'secret' CONNECTION LIMIT 25;
SQL
}
login margin "$POSTGRES_MARGIN_PASSWORD"
login liquidation "$POSTGRES_LIQUIDATION_PASSWORD"
login scheduler "$POSTGRES_SCHEDULER_PASSWORD"
login mark_price "$POSTGRES_MARK_PRICE_PASSWORD"
login api "$POSTGRES_API_PASSWORD"
login streams "$POSTGRES_STREAMS_PASSWORD"
login readonly "$POSTGRES_READONLY_PASSWORD"
echo "host replication replication samenet scram-sha-256" >> "$PGDATA/pg_hba.conf"
# Only from now on commits wait for the standby, since none exists while the folder is made.
sql --command "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)'"
