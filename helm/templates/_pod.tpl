{{/* What every pod shares. */}}

{{- define "btc.podMetadata" -}}
{{- $root := first . }}{{ $of := get $root.Values (last .) -}}
labels:
  {{- include "btc.selector" . | nindent 2 }}
  {{- include "btc.labels" $root | nindent 2 }}
  {{- include "btc.meshLabels" $root | nindent 2 }}
  {{- with $of.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ include "btc.component" . }}
  {{- if not (has (last .) (list "kafka" "kafkaController")) }}
  checksum/settings: {{ include "btc.settings" $root | sha256sum | trunc 16 }}
  {{- end }}
  {{- include "btc.meshAnnotations" $root | nindent 2 }}
  {{- with $of.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{/* Everything of a pod's spec but containers and volumes. */}}
{{- define "btc.podSpec" -}}
{{- $root := first . }}{{ $of := get $root.Values (last .) -}}
serviceAccountName: {{ include "btc.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $of.terminationGracePeriodSeconds }}
{{- if $root.Values.priorityClasses.create }}
priorityClassName: {{ include "btc.priorityClass" (list $root $of.priority) }}
{{- end }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- if has (last .) (list "kafka" "kafkaController") }}
  {{- $uid := $root.Values.kafka.uid }}
  {{- include "btc.podSecurity" (dict "runAsUser" $uid "runAsGroup" $uid "fsGroup" $uid) | nindent 2 }}
  {{- else }}
  {{- include "btc.podSecurity" $root.Values.podSecurityContext | nindent 2 }}
  {{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ $key }}
    maxSkew: {{ $root.Values.topologySpread.maxSkew }}
    whenUnsatisfiable: {{ eq $key "kubernetes.io/hostname" | ternary $root.Values.topologySpread.whenUnsatisfiable "ScheduleAnyway" }}
    labelSelector:
      matchLabels:
        {{- include "btc.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "btc.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .runAsUser }}
runAsGroup: {{ .runAsGroup }}
fsGroup: {{ .fsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "btc.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* A probe over HTTP: (dict "path" "/readyz" "port" "http" "period" 5 "failures" 3) */}}
{{- define "btc.httpProbe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
periodSeconds: {{ .period }}
timeoutSeconds: {{ .timeout | default 3 }}
failureThreshold: {{ .failures }}
{{- end -}}

{{- define "btc.replicas" -}}
{{- $root := first . }}{{ $of := get $root.Values (last .) -}}
{{- if not (include "btc.scaledByOthers" .) }}
replicas: {{ $of.replicas }}
{{- end }}
{{- end -}}

{{/* "true" where an HPA or KEDA owns the number of replicas. */}}
{{- define "btc.scaledByOthers" -}}
{{- $root := first . }}{{ $of := get $root.Values (last .) -}}
{{- if and (hasKey $of "hpa") (or $of.hpa.enabled (and $root.Values.keda.enabled (eq (last .) "bitcoinForecastApp"))) }}true{{ end }}
{{- end -}}

{{/* A pod's own volume: (list $ "archive") */}}
{{- define "btc.claim" -}}
{{- $of := get (first .).Values (last .) -}}
- metadata:
    name: data
    labels:
      {{- include "btc.selector" . | nindent 6 }}
  spec:
    accessModes: [{{ $of.persistence.accessMode | default "ReadWriteOnce" }}]
    {{- with $of.persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ $of.persistence.size }}
{{- end -}}
