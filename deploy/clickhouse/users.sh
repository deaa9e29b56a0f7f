#!/bin/bash
# Run once by the ClickHouse image, on an empty data directory: the users of Andon with the passwords of the secrets volume, and their grants.
set -euo pipefail
admin=(clickhouse-client --user "$CLICKHOUSE_USER" --password "$(cat /secrets/clickhouse_admin)" --multiquery)
for role in pipeline detector alerter reader; do
  # Only the hash travels: a password never stands in a statement, nor in the server's query log.
  hash=$(printf '%s' "$(cat "/secrets/clickhouse_$role")" | sha256sum | cut -d' ' -f1)
  "${admin[@]}" --query "CREATE USER IF NOT EXISTS andon_$role IDENTIFIED WITH sha256_hash BY '$hash'"
done
"${admin[@]}" < /andon/grants.sql
