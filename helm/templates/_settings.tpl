{{/* The settings of every process of this project, as environment variables. */}}

{{/* Data of the ConfigMap: `settings` of the values, and what follows from other values. */}}
{{- define "btc.settings" -}}
{{- $security := .Values.kafka.security -}}
{{- $known := dict "kafka_url" (include "btc.bootstrap" .) "kafka_security" $security.protocol -}}
{{- if include "btc.kafkaSasl" . -}}
{{- $_ := set $known "kafka_mechanism" $security.mechanism -}}
{{- end -}}
{{- if include "btc.kafkaTls" . -}}
{{- if include "btc.caSecret" . -}}
{{- $_ := set $known "kafka_ca_file" "/etc/btc/kafka-ca/ca.crt" -}}
{{- end -}}
{{- if $security.clientCertSecret -}}
{{- $_ := set $known "kafka_cert_file" "/etc/btc/kafka-client/tls.crt" -}}
{{- $_ := set $known "kafka_key_file" "/etc/btc/kafka-client/tls.key" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite (deepCopy .Values.settings) $known -}}
{{- if ne (toString $value) "" }}
BTC_{{ upper $name }}: {{ include "btc.number" $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A whole number without exponent, where Helm would write 1.34217728e+08; other values as they are. */}}
{{- define "btc.number" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* Variables in addition to those of the ConfigMap. */}}
{{- define "btc.environment" -}}
- { name: BTC_INSTANCE, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
- { name: HOME, value: /tmp }
- { name: PYTHONDONTWRITEBYTECODE, value: "1" }
{{- if .Values.kafka.security.credentialsSecret }}
{{ include "btc.kafkaCredentials" (list . "BTC_KAFKA") }}
{{- end }}
{{- end -}}
