{{/* Names and labels. Most take (list $ "webApp"): the root and a component's key in values. */}}

{{- define "btc.release" -}}{{ .Release.Name | trunc 25 | trimSuffix "-" }}{{- end -}}

{{/* web-app */}}
{{- define "btc.component" -}}{{ kebabcase (last .) }}{{- end -}}

{{/* btc-web-app */}}
{{- define "btc.name" -}}{{ include "btc.release" (first .) }}-{{ include "btc.component" . }}{{- end -}}

{{- define "btc.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: btc-forecast
{{- end -}}

{{/* What a component's pods are selected by; hook and test pods have another name. */}}
{{- define "btc.selector" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ include "btc.component" . }}
{{- end -}}

{{/* The metadata of an object of one component. */}}
{{- define "btc.metadata" -}}
name: {{ include "btc.name" . }}
namespace: {{ (first .).Release.Namespace }}
labels:
  app.kubernetes.io/name: {{ (first .).Chart.Name }}
  app.kubernetes.io/component: {{ include "btc.component" . }}
  {{- include "btc.labels" (first .) | nindent 2 }}
{{- end -}}

{{/* The labels of an object of the whole chart; with (list $ "kafka") of a component's object under another name. */}}
{{- define "btc.platformLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/component: platform
{{ include "btc.labels" . }}
{{- end -}}

{{/* An object of the whole chart: (list $ "settings") → btc-settings */}}
{{- define "btc.platformMetadata" -}}
name: {{ include "btc.release" (first .) }}-{{ last . }}
namespace: {{ (first .).Release.Namespace }}
labels:
  {{- include "btc.platformLabels" (first .) | nindent 2 }}
{{- end -}}

{{/* PriorityClasses are cluster-wide, so their names carry the namespace: (list $ "critical") */}}
{{- define "btc.priorityClass" -}}
{{ include "btc.release" (first .) }}-{{ (first .).Release.Namespace }}-{{ last . }}
{{- end -}}

{{- define "btc.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end -}}

{{/* Our own image, with an optional suffix of the tag: (list $ "-gpu") */}}
{{- define "btc.ownImage" -}}
{{- $image := (first .).Values.image -}}
{{- $tag := printf "%s%s" (default (first .).Chart.AppVersion $image.tag) (last .) -}}
{{- include "btc.image" (dict "repository" $image.repository "tag" $tag "digest" $image.digest) -}}
{{- end -}}
