{{/* kafbat's image in place of our own pages: read-only, one cluster, no wizard. */}}
{{- define "btc.kafbat" -}}
{{- $security := .Values.kafka.security -}}
image: {{ include "btc.image" .Values.kafkaUi.image }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "btc.containerSecurity" . }}
env:
  - { name: JAVA_OPTS, value: "-Xmx320m -Djava.io.tmpdir=/tmp" }
  - { name: SERVER_PORT, value: {{ .Values.settings.kafka_ui_port | quote }} }
  - { name: DYNAMIC_CONFIG_ENABLED, value: "false" }
  - { name: KAFKA_CLUSTERS_0_NAME, value: {{ .Release.Name }} }
  - { name: KAFKA_CLUSTERS_0_READONLY, value: "true" }
  - { name: KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS, value: {{ include "btc.bootstrap" . | quote }} }
  - { name: KAFKA_CLUSTERS_0_PROPERTIES_SECURITY_PROTOCOL, value: {{ $security.protocol }} }
  {{- if include "btc.caSecret" . }}
  - { name: KAFKA_CLUSTERS_0_PROPERTIES_SSL_TRUSTSTORE_TYPE, value: PEM }
  - { name: KAFKA_CLUSTERS_0_PROPERTIES_SSL_TRUSTSTORE_LOCATION, value: /etc/btc/kafka-ca/ca.crt }
  {{- end }}
  {{- if hasPrefix "SASL" $security.protocol }}
  - { name: KAFKA_CLUSTERS_0_PROPERTIES_SASL_MECHANISM, value: {{ $security.mechanism }} }
  {{- range $variable, $key := dict "KAFKA_USERNAME" "username" "KAFKA_PASSWORD" "password" }}
  - name: {{ $variable }}
    valueFrom:
      secretKeyRef: { name: {{ $security.credentialsSecret }}, key: {{ $key }} }
  {{- end }}
  - name: KAFKA_CLUSTERS_0_PROPERTIES_SASL_JAAS_CONFIG
    value: {{ printf "org.apache.kafka.common.security.%s required username=\"$(KAFKA_USERNAME)\" password=\"$(KAFKA_PASSWORD)\";" (eq $security.mechanism "PLAIN" | ternary "plain.PlainLoginModule" "scram.ScramLoginModule") | quote }}
  {{- end }}
resources:
  {{- toYaml .Values.kafkaUi.resources | nindent 2 }}
{{- end -}}
