{{/* Settings as variables: what values say, and what only the chart knows. */}}
{{- define "btc.settings" -}}
{{- $security := .Values.kafka.security -}}
{{- $known := dict "kafka_url" (include "btc.bootstrap" .) "kafka_security" $security.protocol -}}
{{- if hasPrefix "SASL" $security.protocol -}}
{{- $_ := set $known "kafka_mechanism" $security.mechanism -}}
{{- end -}}
{{- if contains "SSL" $security.protocol -}}
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
BTC_{{ upper $name }}: {{ include "btc.plain" $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A number as a person writes it: Helm reads 134217728 as 1.34217728e+08. */}}
{{- define "btc.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* host:port,host:port of the brokers. */}}
{{- define "btc.bootstrap" -}}
{{- if .Values.kafka.enabled -}}
{{- $hosts := list -}}
{{- range $ordinal := until (int .Values.kafka.replicas) -}}
{{- $hosts = append $hosts (printf "%s-%d.%s:9092" (include "btc.name" (list $ "kafka")) $ordinal (include "btc.host" (list $ "kafka"))) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- else -}}
{{- required "kafka.bootstrap: name your brokers as host:port,host:port, or set kafka.enabled to true" .Values.kafka.bootstrap -}}
{{- end -}}
{{- end -}}

{{/* btc-kafka.btc.svc.cluster.local */}}
{{- define "btc.host" -}}
{{ include "btc.name" . }}.{{ (first .).Release.Namespace }}.svc.{{ (first .).Values.clusterDomain }}
{{- end -}}
