{{/* What the containers of our own image share: (list $ "webApp") */}}

{{- define "btc.process" -}}
{{- $root := first . }}{{ $of := get $root.Values (last .) -}}
image: {{ include "btc.ownImage" (list $root (include "btc.gpuSuffix" .)) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{ include "btc.containerSecurity" . }}
{{ include "btc.processEnvironment" . }}
  {{- with $of.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
resources:
  {{- toYaml (include "btc.resources" . | fromYaml) | nindent 2 }}
{{- end -}}

{{/* Its settings, and what only the pod knows. */}}
{{- define "btc.processEnvironment" -}}
{{- $root := first . -}}
envFrom:
  - configMapRef:
      name: {{ include "btc.release" $root }}-settings
env:
  - name: BTC_INSTANCE
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: HOME
    value: /tmp
  - name: PYTHONDONTWRITEBYTECODE
    value: "1"
  {{- with $root.Values.kafka.security.credentialsSecret }}
  {{- range $variable, $key := dict "BTC_KAFKA_USERNAME" "username" "BTC_KAFKA_PASSWORD" "password" }}
  - name: {{ $variable }}
    valueFrom:
      secretKeyRef:
        name: {{ $root.Values.kafka.security.credentialsSecret }}
        key: {{ $key }}
  {{- end }}
  {{- end }}
  {{- if and (eq (last .) "webApp") $root.Values.secrets.apiKeys }}
  - name: BTC_API_KEYS
    valueFrom:
      secretKeyRef:
        name: {{ $root.Values.secrets.apiKeys }}
        key: api-keys
  {{- end }}
{{- end -}}

{{- define "btc.gpu" -}}
{{- if and (eq (last .) "bitcoinForecastApp") (first .).Values.bitcoinForecastApp.gpu.enabled }}true{{ end }}
{{- end -}}

{{- define "btc.gpuSuffix" -}}
{{- if include "btc.gpu" . }}{{ (first .).Values.bitcoinForecastApp.gpu.imageTagSuffix }}{{ end }}
{{- end -}}

{{- define "btc.resources" -}}
{{- $of := get (first .).Values (last .) -}}
{{- $resources := deepCopy $of.resources -}}
{{- if include "btc.gpu" . -}}
{{- range $side := list "requests" "limits" -}}
{{- $_ := set (get $resources $side) $of.gpu.resource $of.gpu.count -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Where a process of ours may write, and what it must trust. */}}
{{- define "btc.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: data
  mountPath: {{ (first .).Values.settings.data_dir }}
{{- include "btc.tlsMounts" (first .) }}
{{- end -}}

{{- define "btc.tmp" -}}
- name: tmp
  emptyDir:
    sizeLimit: 512Mi
{{- end -}}

{{- define "btc.scratch" -}}
- name: data
  emptyDir:
    sizeLimit: 1Gi
{{- end -}}

{{- define "btc.caSecret" -}}
{{- .Values.kafka.security.caSecret | default (ternary .Values.kafka.security.tlsSecret "" .Values.kafka.enabled) -}}
{{- end -}}

{{- define "btc.tlsMounts" -}}
{{- if contains "SSL" .Values.kafka.security.protocol }}
{{- if include "btc.caSecret" . }}
- name: kafka-ca
  mountPath: /etc/btc/kafka-ca
  readOnly: true
{{- end }}
{{- if .Values.kafka.security.clientCertSecret }}
- name: kafka-client
  mountPath: /etc/btc/kafka-client
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "btc.tlsVolumes" -}}
{{- if contains "SSL" .Values.kafka.security.protocol }}
{{- with include "btc.caSecret" . }}
- name: kafka-ca
  secret:
    secretName: {{ . }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- with .Values.kafka.security.clientCertSecret }}
- name: kafka-client
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}
