{{/* Another name than the pods of Kafka, so that no Service, PDB or HPA takes them for one. */}}
{{- define "btc.topicsLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-topics
app.kubernetes.io/component: kafka
{{ include "btc.labels" . }}
{{- end -}}

{{- define "btc.testLabels" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}-test
app.kubernetes.io/component: {{ include "btc.component" . }}
{{ include "btc.labels" (first .) }}
{{- end -}}

{{/* A `helm test` pod: (dict "of" (list $ "webApp") "urls" (list "http://…")) */}}
{{- define "btc.test" -}}
{{- $root := first .of -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "btc.name" .of }}-test
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "btc.testLabels" .of | nindent 4 }}
    {{- include "btc.meshLabels" $root | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    {{- include "btc.meshAnnotations" $root | nindent 4 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  activeDeadlineSeconds: 120
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "btc.podSecurity" $root.Values.podSecurityContext | nindent 4 }}
  containers:
    - name: test
      image: {{ include "btc.ownImage" (list $root "") }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [python, -c]
      args:
        - |
          {{- $root.Files.Get "files/check_door.py" | nindent 10 }}
        {{- range .urls }}
        - {{ . }}
        {{- end }}
      {{- include "btc.containerSecurity" $root | nindent 6 }}
      resources:
        {{- toYaml $root.Values.tests.resources | nindent 8 }}
{{- end -}}
