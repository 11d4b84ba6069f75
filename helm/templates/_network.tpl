{{/* A NetworkPolicy begins: (list $ "name-of-policy") */}}
{{- define "btc.policyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "btc.platformMetadata" . | nindent 2 }}
{{- end -}}

{{/* The pods of some components: (list $ "dataCollector" "trainer"), hooks and tests not among them. */}}
{{- define "btc.pods" -}}
matchLabels:
  app.kubernetes.io/instance: {{ (first .).Release.Name }}
  app.kubernetes.io/name: {{ (first .).Chart.Name }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values:
      {{- range $key := rest . }}
      - {{ kebabcase $key }}
      {{- end }}
{{- end -}}

{{/* The pods of the topics hook, or of the tests: (list $ "topics") */}}
{{- define "btc.hookPods" -}}
matchLabels:
  app.kubernetes.io/instance: {{ (first .).Release.Name }}
  app.kubernetes.io/name: {{ (first .).Chart.Name }}-{{ last . }}
{{- end -}}

{{- define "btc.namespaces" -}}
{{- range . }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- end -}}

{{/* Who may open a door, and where: (dict "root" $ "component" "webApp" "port" 5001) */}}
{{- define "btc.doorPolicy" -}}
{{ include "btc.policyHead" (list .root (printf "to-%s" (kebabcase .component))) }}
spec:
  podSelector:
    {{- include "btc.pods" (list .root .component) | nindent 4 }}
  policyTypes: [Ingress]
  ingress:
    - ports: [{ protocol: TCP, port: {{ int .port }} }]
      from:
        - podSelector:
            {{- include "btc.hookPods" (list .root "test") | nindent 12 }}
        {{- include "btc.namespaces" .root.Values.networkPolicy.ingressNamespaces | nindent 8 }}
{{- end -}}

{{/* Egress to the brokers: ours, or your own. */}}
{{- define "btc.toKafka" -}}
{{- $of := .Values.networkPolicy -}}
{{- if .Values.kafka.enabled -}}
- ports: [{ protocol: TCP, port: 9092 }]
  to:
    - podSelector:
        {{- include "btc.pods" (list . "kafka") | nindent 8 }}
{{- else -}}
{{- if not (or $of.kafkaCidrs $of.kafkaNamespaces) -}}
{{- fail "networkPolicy: say where your brokers are: kafkaNamespaces, or kafkaCidrs" -}}
{{- end -}}
- ports:
    {{- range $of.kafkaPorts }}
    - { protocol: TCP, port: {{ int . }} }
    {{- end }}
  to:
    {{- include "btc.namespaces" $of.kafkaNamespaces | nindent 4 }}
    {{- range $of.kafkaCidrs }}
    - ipBlock: { cidr: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}
