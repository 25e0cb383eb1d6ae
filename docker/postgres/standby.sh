#!/bin/sh
# Copies the primary once, then follows it as the synchronous standby.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA" && chmod 700 "$PGDATA"
  until PGPASSWORD="$POSTGRES_REPLICATION_PASSWORD" pg_basebackup --host "$PRIMARY_HOST" --port "${PRIMARY_PORT:-5432}" \
    --username replication --no-password --pgdata "$PGDATA" --wal-method stream --checkpoint fast; do
    rm -rf "${PGDATA:?}"/*
    sleep 1
  done
  touch "$PGDATA/standby.signal"
fi
exec postgres -c "primary_conninfo=host=$PRIMARY_HOST port=${PRIMARY_PORT:-5432} user=replication password=$POSTGRES_REPLICATION_PASSWORD application_name=standby" "$@"
