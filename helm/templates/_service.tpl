{{/* A Service of one component: (dict "of" (list $ "webApp") "ports" (dict "http" 5001 "metrics" 9000)) */}}
{{- define "btc.service" -}}
{{- $of := get (first .of).Values (last .of) -}}
{{- $door := $of.service | default dict -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "btc.metadata" .of | nindent 2 }}
  {{- with $door.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if .headless }}
  clusterIP: None
  publishNotReadyAddresses: {{ .early | default false }}
  {{- else }}
  type: {{ $door.type | default "ClusterIP" }}
  {{- end }}
  {{- if .sticky }}
  sessionAffinity: ClientIP
  {{- end }}
  selector:
    {{- include "btc.selector" .of | nindent 4 }}
  ports:
    {{- range $name, $port := .ports }}
    - name: {{ $name }}
      port: {{ $port }}
      targetPort: {{ $name }}
      appProtocol: {{ hasPrefix "tcp" $name | ternary "tcp" "http" }}
    {{- end }}
{{- end -}}
