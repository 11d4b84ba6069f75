{{/* Refuses values that cannot work together, each with its reason; values.schema.json checks single values. */}}
{{- define "btc.validate" -}}
{{- include "btc.validateReplicas" . -}}
{{- include "btc.validateKafka" . -}}
{{- if and .Values.bitcoinForecastApp.gpu.enabled .Values.image.digest (not .Values.bitcoinForecastApp.gpu.imageDigest) -}}
{{- fail "bitcoinForecastApp.gpu.imageDigest: image.digest is that of the CPU image; name the GPU image's too" -}}
{{- end -}}
{{- with .Values.archive -}}
{{- if and .enabled .shareWithWebApp (ne .persistence.accessMode "ReadWriteMany") -}}
{{- fail "archive.shareWithWebApp needs archive.persistence.accessMode: ReadWriteMany, and a storage class that has it" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* More consumers than partitions are an error in Faust; more collectors than partitions are idle. */}}
{{- define "btc.validateReplicas" -}}
{{- range $key := list "dataCollector" "bitcoinForecastApp" -}}
{{- $values := get $.Values $key -}}
{{- $most := max (int $values.replicas) (int $values.hpa.maxReplicas) -}}
{{- if and $values.enabled (gt $most (int $.Values.settings.partitions)) -}}
{{- fail (printf "%s: at most settings.partitions (%d) replicas can have work, not %d: lower %s.hpa.maxReplicas and %s.replicas" $key (int $.Values.settings.partitions) $most $key $key) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "dataCollector" "bitcoinForecastApp" "webApp" "dashboard" -}}
{{- $values := get $.Values $key -}}
{{- if and $.Values.vpa.enabled $values.enabled $values.hpa.enabled (ne $values.vpa.mode "Off") -}}
{{- fail (printf "%s.vpa.mode: its HPA uses CPU and memory, so a VPA may only propose: set it to Off" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "btc.validateKafka" -}}
{{- $security := .Values.kafka.security -}}
{{- $policy := .Values.networkPolicy -}}
{{- if not .Values.kafka.enabled -}}
{{- if and $policy.enabled (not (or $policy.kafkaCidrs $policy.kafkaNamespaces)) -}}
{{- fail "networkPolicy: say where your brokers are: kafkaNamespaces, or kafkaCidrs" -}}
{{- end -}}
{{- else -}}
{{- if and (include "btc.kafkaTls" .) (not $security.tlsSecret) -}}
{{- fail (printf "kafka.security.tlsSecret: %s needs a Secret with ca.crt, tls.crt and tls.key" $security.protocol) -}}
{{- end -}}
{{- if and (include "btc.kafkaSasl" .) (not $security.credentialsSecret) -}}
{{- fail "kafka.security.credentialsSecret: SASL needs a Secret with username and password" -}}
{{- end -}}
{{- if and (include "btc.kafkaSasl" .) (ne $security.mechanism "SCRAM-SHA-512") -}}
{{- fail "kafka.security.mechanism: the brokers of this chart speak SCRAM-SHA-512; the others are for brokers of your own" -}}
{{- end -}}
{{- if gt (int .Values.settings.replication_factor) (int .Values.kafka.replicas) -}}
{{- fail (printf "settings.replication_factor (%d) must not be more than kafka.replicas (%d)" (int .Values.settings.replication_factor) (int .Values.kafka.replicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
