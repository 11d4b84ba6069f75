{{/* Container that monitors a broker: readiness, metrics, and when the broker may stop. */}}
{{- define "btc.kafkaMonitor" -}}
- name: monitor # an ordinary container: it ends when its broker has ended
  image: {{ .Values.kafka.monitor.image | default (include "btc.appImage" .) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [btc, kafka-monitor]
  ports:
    - { name: metrics, containerPort: {{ .Values.settings.metrics_port }} }
  envFrom:
    - configMapRef: { name: {{ include "btc.release" . }}-settings }
  env:
    {{- include "btc.environment" . | nindent 4 }}
    - { name: BTC_KAFKA_URL, value: "$(BTC_INSTANCE).{{ include "btc.host" (list . "kafka") }}:9092" } # this broker, by the name it advertises
  startupProbe:
    httpGet: { path: /healthz, port: metrics }
    periodSeconds: 2
    timeoutSeconds: 3
    failureThreshold: 60
  readinessProbe:
    httpGet: { path: /readyz, port: metrics }
    periodSeconds: 5
    timeoutSeconds: 3
    failureThreshold: 3
  livenessProbe:
    httpGet: { path: /healthz, port: metrics }
    periodSeconds: 10
    timeoutSeconds: 3
    failureThreshold: 3
    terminationGracePeriodSeconds: 5 # it would wait for the end of its broker
  resources:
    {{- toYaml .Values.kafka.monitor.resources | nindent 4 }}
  securityContext:
    {{- include "btc.containerSecurityContext" . | nindent 4 }}
  volumeMounts:
    - { name: monitor-tmp, mountPath: /tmp }
    {{- include "btc.kafkaTlsMounts" . | nindent 4 }}
{{- end -}}

{{/* Linkerd's proxy would refuse preStop: the kubelet calls it without a certificate. */}}
{{- define "btc.kafkaMonitorMeshAnnotations" -}}
{{- if eq .Values.mesh.provider "linkerd" }}
config.linkerd.io/skip-inbound-ports: {{ .Values.settings.metrics_port | quote }}
{{- end }}
{{- end -}}
