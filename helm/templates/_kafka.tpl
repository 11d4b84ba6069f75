{{/* KRaft: who the nodes are, what they listen on. */}}

{{- define "btc.clusterId" -}}
{{- .Values.kafka.clusterId | default (printf "%s/%s" .Release.Namespace .Release.Name | sha256sum | trunc 16 | b64enc | trunc 22) -}}
{{- end -}}

{{/* 100@btc-kafka-controller-0.btc-kafka-controller…:9093,… */}}
{{- define "btc.voters" -}}
{{- $voters := list -}}
{{- range $ordinal := until (int .Values.kafkaController.replicas) -}}
{{- $voters = append $voters (printf "%d@%s-%d.%s:9093" (add 100 $ordinal) (include "btc.name" (list $ "kafkaController")) $ordinal (include "btc.host" (list $ "kafkaController"))) -}}
{{- end -}}
{{- join "," $voters -}}
{{- end -}}

{{- define "btc.kafkaTls" -}}
{{- if contains "SSL" .Values.kafka.security.protocol }}true{{ end }}
{{- end -}}

{{- define "btc.kafkaSasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.security.protocol }}true{{ end }}
{{- end -}}

{{/* What brokers and controllers have in common. */}}
{{- define "btc.kafkaProperties" -}}
{{- $protocol := .Values.kafka.security.protocol -}}
controller.quorum.voters={{ include "btc.voters" . }}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENT:{{ $protocol }},CONTROLLER:{{ contains "SSL" $protocol | ternary "SSL" "PLAINTEXT" }}
log.dirs=/data/kafka
{{- if include "btc.kafkaTls" . }}
ssl.keystore.type=PEM
ssl.keystore.location=/tmp/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=/etc/kafka-tls/ca.crt
listener.name.controller.ssl.client.auth=required
{{- end }}
{{- end -}}

{{- define "btc.checkKafka" -}}
{{- $security := .Values.kafka.security -}}
{{- if and (include "btc.kafkaTls" .) (not $security.tlsSecret) -}}
{{- fail (printf "kafka.security.tlsSecret: %s needs a Secret with ca.crt, tls.crt and tls.key" $security.protocol) -}}
{{- end -}}
{{- if and (include "btc.kafkaSasl" .) (ne $security.mechanism "SCRAM-SHA-512") -}}
{{- fail "kafka.security.mechanism: our brokers speak SCRAM-SHA-512; the others are for brokers of your own" -}}
{{- end -}}
{{- if gt (int .Values.settings.replication_factor) (int .Values.kafka.replicas) -}}
{{- fail (printf "settings.replication_factor (%d) must not be more than kafka.replicas (%d)" (int .Values.settings.replication_factor) (int .Values.kafka.replicas)) -}}
{{- end -}}
{{- end -}}

{{/* The container of a node: (list $ "kafka" "broker" 0) */}}
{{- define "btc.kafkaNode" -}}
{{- $root := first . }}{{ $key := index . 1 }}{{ $role := index . 2 -}}
{{- $of := get $root.Values $key -}}
image: {{ include "btc.image" $root.Values.kafka.image }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: [sh, /etc/kafka-btc/kafka-start.sh]
{{ include "btc.containerSecurity" $root }}
env:
  - { name: ROLE, value: {{ $role }} }
  - { name: NODE_ID_BASE, value: "{{ last . }}" }
  - { name: CLUSTER_ID, value: {{ include "btc.clusterId" $root | quote }} }
  - { name: CONFIG_DIR, value: /etc/kafka-btc }
  - { name: SERVICE_HOST, value: {{ include "btc.host" (list $root $key) }} }
  - { name: KAFKA_HEAP_OPTS, value: "-Xms{{ $of.heap }} -Xmx{{ $of.heap }}" }
  - { name: KAFKA_LOG4J_OPTS, value: "-Dlog4j2.configurationFile=/etc/kafka-btc/log4j2.yaml" }
  - { name: KAFKA_GC_LOG_OPTS, value: " " }
  - { name: LOG_DIR, value: /tmp/logs }
  - name: POD_NAME
    valueFrom:
      fieldRef: { fieldPath: metadata.name }
  {{- if include "btc.kafkaTls" $root }}
  - { name: TLS_DIR, value: /etc/kafka-tls }
  {{- end }}
  {{- if include "btc.kafkaSasl" $root }}
  {{- range $variable, $name := dict "KAFKA_USERNAME" "username" "KAFKA_PASSWORD" "password" }}
  - name: {{ $variable }}
    valueFrom:
      secretKeyRef: { name: {{ required "kafka.security.credentialsSecret: SASL needs a Secret with username and password" $root.Values.kafka.security.credentialsSecret }}, key: {{ $name }} }
  {{- end }}
  {{- end }}
  {{- with $of.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
resources:
  {{- toYaml $of.resources | nindent 2 }}
volumeMounts:
  - { name: data, mountPath: /data }
  - { name: tmp, mountPath: /tmp }
  - { name: config, mountPath: /etc/kafka-btc, readOnly: true }
  {{- if include "btc.kafkaTls" $root }}
  - { name: tls, mountPath: /etc/kafka-tls, readOnly: true }
  {{- end }}
{{- end -}}

{{- define "btc.kafkaVolumes" -}}
{{- include "btc.tmp" . }}
- name: config
  configMap:
    name: {{ include "btc.name" (list . "kafka") }}
{{- if include "btc.kafkaTls" . }}
- name: tls
  secret:
    secretName: {{ .Values.kafka.security.tlsSecret }}
    defaultMode: 0440
{{- end }}
{{- end -}}
