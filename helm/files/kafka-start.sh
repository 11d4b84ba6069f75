#!/bin/sh
# Starts one KRaft node. Needs ROLE, POD_NAME, NODE_ID_BASE, SERVICE_HOST, CLUSTER_ID and the properties in CONFIG_DIR.
set -eu
umask 077
home="${KAFKA_HOME:-/opt/kafka}"
config="${TMPDIR:-/tmp}/server.properties"
ordinal="${POD_NAME##*-}"

# Log lines as log4j2.yaml writes them: text on standard input, a level → {"@timestamp":"…","log.level":"INFO",…}
as_json() {
  tab="$(printf '\t')"
  now="$(date -u +%Y-%m-%dT%H:%M:%S.000Z)"
  tr -d '\000-\010\013-\037' | sed -e '/^{"@timestamp"/b' -e '/^$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$tab/ /g" \
    -e 's/.*/{"@timestamp":"'"$now"'","log.level":"'"$1"'","message":"&","ecs.version":"1.6.0","service.name":"kafka","log.logger":"kafka-storage"}/'
}

cat "$CONFIG_DIR/$ROLE.properties" >"$config"
echo "node.id=$((NODE_ID_BASE + ordinal))" >>"$config"

if [ "$ROLE" = broker ]; then
  echo "advertised.listeners=CLIENT://$POD_NAME.$SERVICE_HOST:9092" >>"$config"
fi
if [ -n "${TLS_DIR:-}" ]; then # Kafka wants key and certificates in one file
  cat "$TLS_DIR/tls.key" "$TLS_DIR/tls.crt" >"${TMPDIR:-/tmp}/keystore.pem"
fi
if [ -n "${KAFKA_USERNAME:-}" ] && [ "$ROLE" = broker ]; then
  login="org.apache.kafka.common.security.scram.ScramLoginModule required"
  echo "listener.name.client.scram-sha-512.sasl.jaas.config=$login username=\"$KAFKA_USERNAME\" password=\"$KAFKA_PASSWORD\";" >>"$config"
fi

set -- format --ignore-formatted --cluster-id "$CLUSTER_ID" --config "$config"
if [ -n "${KAFKA_USERNAME:-}" ] && [ "$ROLE" = controller ]; then # the first user; others are made with kafka-configs.sh
  set -- "$@" --add-scram "SCRAM-SHA-512=[name=$KAFKA_USERNAME,password=$KAFKA_PASSWORD]"
fi
printed="$("$home/bin/kafka-storage.sh" "$@" 2>&1)" || { # it prints plain text
  code=$?
  printf '%s\n' "$printed" | as_json ERROR
  exit "$code"
}
printf '%s\n' "$printed" | as_json INFO
unset KAFKA_USERNAME KAFKA_PASSWORD

# The log is JSON on standard output. Warnings of the JVM, and of log4j about itself, are plain text on standard error.
plain="${TMPDIR:-/tmp}/stderr"
rm -f "$plain"
mkfifo "$plain"
while IFS= read -r line; do printf '%s\n' "$line" | as_json WARN; done <"$plain" &
reader=$!
export KAFKA_OPTS="-XX:+DisplayVMOutputToStderr ${KAFKA_OPTS:-}"
# A broker whose controllers have gone, as when everything is uninstalled, would try to hand over for five minutes.
stop() {
  [ -n "$server" ] || exit 143
  kill -TERM "$server"
  { sleep "${STOP_SECONDS:-60}" && kill -KILL "$server"; } >/dev/null 2>&1 &
}
server=
trap stop TERM INT
"$home/bin/kafka-server-start.sh" "$config" 2>"$plain" &
server=$!
code=0
wait "$server" || code=$?
while kill -0 "$server" 2>/dev/null; do # a signal ends `wait` too
  code=0
  wait "$server" || code=$?
done
wait "$reader" || true
exit "$code"
