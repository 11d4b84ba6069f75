{{/* Names, labels, images. */}}

{{/* First part of every object's name: btc */}}
{{- define "btc.release" -}}
{{ .Release.Name | trunc 25 | trimSuffix "-" }}
{{- end -}}

{{/* Labels of a component's objects: (list . "web-app"); of objects for all components: (list . "platform") */}}
{{- define "btc.labels" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}
app.kubernetes.io/component: {{ last . }}
{{ include "btc.commonLabels" (first .) }}
{{- end -}}

{{- define "btc.commonLabels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: btc-forecast
{{- end -}}

{{/* Labels of a component's pods: without versions, so that no new chart restarts what it does not change: (list . "kafka") */}}
{{- define "btc.podLabels" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}
app.kubernetes.io/component: {{ last . }}
{{ include "btc.commonPodLabels" (first .) }}
{{- end -}}

{{- define "btc.commonPodLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: btc-forecast
{{- end -}}

{{/* Labels that select a component's pods, without those of hooks and tests: (list . "web-app") */}}
{{- define "btc.selectorLabels" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{/* DNS name of a component's Service: (list . "kafka") → btc-kafka.btc.svc.cluster.local */}}
{{- define "btc.host" -}}
{{ include "btc.release" (first .) }}-{{ last . }}.{{ (first .).Release.Namespace }}.svc.{{ (first .).Values.clusterDomain }}
{{- end -}}

{{/* PriorityClasses are cluster-wide, so their names carry the namespace: (list . "critical") → btc-btc-critical */}}
{{- define "btc.priorityClass" -}}
{{ include "btc.release" (first .) }}-{{ (first .).Release.Namespace }}-{{ last . }}
{{- end -}}

{{/* An image by tag or digest, behind the mirror if there is one: (list . .Values.kafka.image) → docker.io/apache/kafka:4.3.0 */}}
{{- define "btc.image" -}}
{{- $image := last . -}}
{{ include "btc.mirrored" (list (first .) $image.repository) }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end }}
{{- end -}}

{{/* global.imageRegistry takes the place of a repository's registry: docker.io/apache/kafka → mirror.example/apache/kafka */}}
{{- define "btc.mirrored" -}}
{{- $repository := last . -}}
{{- with ((first .).Values.global).imageRegistry -}}
{{ trimSuffix "/" . }}/{{ regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "" }}
{{- else -}}
{{ $repository }}
{{- end -}}
{{- end -}}

{{/* The image of this project: btc-forecast:0.1.0 */}}
{{- define "btc.appImage" -}}
{{- $image := .Values.image -}}
{{- include "btc.image" (list . (dict "repository" $image.repository "tag" ($image.tag | default .Chart.AppVersion) "digest" $image.digest)) -}}
{{- end -}}

{{/* The worker's image, which on GPUs is another one with a digest of its own: btc-forecast:0.1.0-gpu */}}
{{- define "btc.workerImage" -}}
{{- $image := .Values.image -}}
{{- $gpu := .Values.bitcoinForecastApp.gpu -}}
{{- if $gpu.enabled -}}
{{- $tag := printf "%s%s" ($image.tag | default .Chart.AppVersion) $gpu.imageTagSuffix -}}
{{- include "btc.image" (list . (dict "repository" $image.repository "tag" $tag "digest" $gpu.imageDigest)) -}}
{{- else -}}
{{- include "btc.appImage" . -}}
{{- end -}}
{{- end -}}
