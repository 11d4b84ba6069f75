{{/* Kafka: how clients reach the brokers, and what brokers and controllers share. */}}

{{/* host:port,host:port of the brokers. */}}
{{- define "btc.bootstrap" -}}
{{- if .Values.kafka.enabled -}}
{{- $hosts := list -}}
{{- range $ordinal := until (int .Values.kafka.replicas) -}}
{{- $hosts = append $hosts (printf "%s-kafka-%d.%s:9092" (include "btc.release" $) $ordinal (include "btc.host" (list $ "kafka"))) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- else -}}
{{- required "kafka.bootstrap: name your brokers as host:port,host:port, or set kafka.enabled to true" .Values.kafka.bootstrap -}}
{{- end -}}
{{- end -}}

{{/* "true" where connections are encrypted. */}}
{{- define "btc.kafkaTls" -}}
{{- if contains "SSL" .Values.kafka.security.protocol }}true{{ end }}
{{- end -}}

{{/* "true" where clients log in. */}}
{{- define "btc.kafkaSasl" -}}
{{- if hasPrefix "SASL" .Values.kafka.security.protocol }}true{{ end }}
{{- end -}}

{{/* User and password as variables: (list . "KAFKA") → KAFKA_PASSWORD, KAFKA_USERNAME */}}
{{- define "btc.kafkaCredentials" -}}
{{- $secret := (first .).Values.kafka.security.credentialsSecret -}}
- { name: {{ last . }}_PASSWORD, valueFrom: { secretKeyRef: { name: {{ $secret }}, key: password } } }
- { name: {{ last . }}_USERNAME, valueFrom: { secretKeyRef: { name: {{ $secret }}, key: username } } }
{{- end -}}

{{/* Secret with the ca.crt that clients trust; empty: the system's authorities. */}}
{{- define "btc.caSecret" -}}
{{- .Values.kafka.security.caSecret | default (ternary .Values.kafka.security.tlsSecret "" .Values.kafka.enabled) -}}
{{- end -}}

{{/* Volume mounts of a client: the CA it trusts, the certificate it shows. */}}
{{- define "btc.kafkaTlsMounts" -}}
{{- if include "btc.kafkaTls" . }}
{{- if include "btc.caSecret" . }}
- { name: kafka-ca, mountPath: /etc/btc/kafka-ca, readOnly: true }
{{- end }}
{{- if .Values.kafka.security.clientCertSecret }}
- { name: kafka-client, mountPath: /etc/btc/kafka-client, readOnly: true }
{{- end }}
{{- end }}
{{- end -}}

{{- define "btc.kafkaTlsVolumes" -}}
{{- if include "btc.kafkaTls" . }}
{{- with include "btc.caSecret" . }}
- name: kafka-ca
  secret: { secretName: {{ . }}, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- with .Values.kafka.security.clientCertSecret }}
- name: kafka-client
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- end -}}

{{/* Egress rule of a NetworkPolicy: to the brokers of this chart, or to your own. */}}
{{- define "btc.egressToKafka" -}}
{{- if .Values.kafka.enabled -}}
- ports: [{ protocol: TCP, port: 9092 }]
  to:
    - podSelector:
        matchLabels:
          app.kubernetes.io/instance: {{ .Release.Name }}
          app.kubernetes.io/name: {{ .Chart.Name }}
        matchExpressions:
          - key: app.kubernetes.io/component
            operator: In
            values: [kafka]
{{- else -}}
- ports:
    {{- range .Values.networkPolicy.kafkaPorts }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
  to:
    {{- range .Values.networkPolicy.kafkaNamespaces }}
    - namespaceSelector:
        matchLabels: { kubernetes.io/metadata.name: {{ . }} }
    {{- end }}
    {{- range .Values.networkPolicy.kafkaCidrs }}
    - ipBlock: { cidr: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}

{{- define "btc.clusterId" -}}
{{- .Values.kafka.clusterId | default (printf "%s/%s" .Release.Namespace .Release.Name | sha256sum | trunc 16 | b64enc | trunc 22) -}}
{{- end -}}

{{/* KRaft's voters: 100@btc-kafka-controller-0.btc-kafka-controller…:9093,… */}}
{{- define "btc.voters" -}}
{{- $voters := list -}}
{{- range $ordinal := until (int .Values.kafkaController.replicas) -}}
{{- $voters = append $voters (printf "%d@%s-kafka-controller-%d.%s:9093" (add 100 $ordinal) (include "btc.release" $) $ordinal (include "btc.host" (list $ "kafka-controller"))) -}}
{{- end -}}
{{- join "," $voters -}}
{{- end -}}

{{/* Lines of server.properties that brokers and controllers have in common. */}}
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

{{- define "btc.controllerProperties" -}}
process.roles=controller
listeners=CONTROLLER://:9093
{{ include "btc.kafkaProperties" . }}
{{- end -}}

{{- define "btc.brokerProperties" -}}
process.roles=broker
listeners=CLIENT://:9092
inter.broker.listener.name=CLIENT
{{ include "btc.kafkaProperties" . }}
{{- if include "btc.kafkaSasl" . }}
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
{{- end }}
auto.create.topics.enable=false
default.replication.factor={{ .Values.settings.replication_factor }}
min.insync.replicas={{ .Values.settings.min_insync_replicas }}
offsets.topic.replication.factor={{ .Values.settings.replication_factor }}
offsets.topic.num.partitions=16
transaction.state.log.replication.factor={{ .Values.settings.replication_factor }}
transaction.state.log.min.isr={{ .Values.settings.min_insync_replicas }}
share.coordinator.state.topic.replication.factor={{ .Values.settings.replication_factor }}
share.coordinator.state.topic.min.isr={{ .Values.settings.min_insync_replicas }}
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
group.initial.rebalance.delay.ms=0
controlled.shutdown.enable=true
initial.broker.registration.timeout.ms=300000
unclean.leader.election.enable=false
{{- range $name, $value := .Values.kafka.properties }}
{{ $name }}={{ include "btc.number" $value }}
{{- end }}
{{- end -}}

{{/* Checksum of what nodes of one role read, so that a change restarts only them: (list . "broker") */}}
{{- define "btc.kafkaChecksum" -}}
{{- $root := first . -}}
{{- $scripts := print ($root.Files.Get "files/kafka-start.sh") ($root.Files.Get "files/log4j2.yaml") -}}
{{- print $scripts (include (printf "btc.%sProperties" (last .)) $root) | sha256sum | trunc 16 -}}
{{- end -}}
