{{/* HPA, PDB, VPA, ServiceAccount, ServiceMonitor of one component: (list $ "webApp") */}}

{{- define "btc.scaleTarget" -}}
apiVersion: apps/v1
kind: {{ has (last .) (list "bitcoinForecastApp" "kafka" "kafkaController" "archive") | ternary "StatefulSet" "Deployment" }}
name: {{ include "btc.name" . }}
{{- end -}}

{{/* More consumers than partitions are an error case for Faust, and idle collectors help nobody. */}}
{{- define "btc.fitsPartitions" -}}
{{- $root := first . }}{{ $of := get $root.Values (last .) -}}
{{- $most := max (int $of.replicas) (int $of.hpa.maxReplicas) -}}
{{- if gt $most (int $root.Values.settings.partitions) -}}
{{- fail (printf "%s: at most settings.partitions (%d) replicas can have work, not %d: lower %s.hpa.maxReplicas and %s.replicas" (last .) (int $root.Values.settings.partitions) $most (last .) (last .)) -}}
{{- end -}}
{{- end -}}

{{- define "btc.hpaBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: {{ .scaleUp.stabilizationWindowSeconds }}
  selectPolicy: Max
  policies:
    - type: Pods
      value: {{ .scaleUp.pods }}
      periodSeconds: {{ .scaleUp.periodSeconds }}
scaleDown:
  stabilizationWindowSeconds: {{ .scaleDown.stabilizationWindowSeconds }}
  selectPolicy: Min
  policies:
    - type: Pods
      value: {{ .scaleDown.pods }}
      periodSeconds: {{ .scaleDown.periodSeconds }}
{{- end -}}

{{- define "btc.hpa" -}}
{{- $of := get (first .).Values (last .) -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "btc.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    {{- include "btc.scaleTarget" . | nindent 4 }}
  minReplicas: {{ $of.hpa.minReplicas }}
  maxReplicas: {{ $of.hpa.maxReplicas }}
  metrics:
    {{- range $metric := list "cpu" "memory" }}
    - type: Resource
      resource:
        name: {{ $metric }}
        target:
          type: Utilization
          averageUtilization: {{ get $of.hpa $metric }}
    {{- end }}
  behavior:
    {{- include "btc.hpaBehavior" $of.hpa | nindent 4 }}
{{- end -}}

{{/* One at a time, and never in the way of a drain: a pod that is not ready may always go. */}}
{{- define "btc.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "btc.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "btc.selector" . | nindent 6 }}
{{- end -}}

{{- define "btc.vpa" -}}
{{- $of := get (first .).Values (last .) -}}
{{- if and (hasKey $of "hpa") $of.hpa.enabled (ne $of.vpa.mode "Off") -}}
{{- fail (printf "%s.vpa.mode: its HPA uses CPU and memory, so a VPA may only propose: set it to Off" (last .)) -}}
{{- end -}}
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata:
  {{- include "btc.metadata" . | nindent 2 }}
spec:
  targetRef:
    {{- include "btc.scaleTarget" . | nindent 4 }}
  updatePolicy:
    updateMode: {{ $of.vpa.mode | quote }}
  resourcePolicy:
    containerPolicies:
      - containerName: {{ include "btc.component" . }}
        minAllowed:
          {{- toYaml $of.resources.requests | nindent 10 }}
        maxAllowed:
          {{- toYaml $of.vpa.maxAllowed | nindent 10 }}
        controlledValues: RequestsAndLimits
      - containerName: "*"
        mode: "Off"
{{- end -}}

{{- define "btc.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "btc.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{- define "btc.serviceMonitor" -}}
{{- $monitor := (first .).Values.serviceMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "btc.metadata" . | nindent 2 }}
    {{- with $monitor.labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  selector:
    matchLabels:
      {{- include "btc.selector" . | nindent 6 }}
  targetLabels: [app.kubernetes.io/component]
  endpoints:
    - port: metrics
      path: /metrics
      interval: {{ $monitor.interval }}
{{- end -}}
