{{/* Parts of a pod that are the same in every pod. */}}

{{- define "btc.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "btc.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ .runAsUser }}
runAsGroup: {{ .runAsGroup }}
fsGroup: {{ .fsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "btc.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* With which priority and on which nodes: (dict "root" . "component" "web-app" "values" .Values.webApp) */}}
{{- define "btc.scheduling" -}}
{{- if .root.Values.priorityClasses.create }}
priorityClassName: {{ include "btc.priorityClass" (list .root .values.priority) }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  {{- range $key, $rule := dict "kubernetes.io/hostname" .whenUnsatisfiable "topology.kubernetes.io/zone" "ScheduleAnyway" }}
  - topologyKey: {{ $key }}
    maxSkew: {{ $.root.Values.topologySpread.maxSkew }}
    whenUnsatisfiable: {{ $rule }}
    nodeAffinityPolicy: Honor
    nodeTaintsPolicy: Honor # a node that cannot take the pod, such as a control plane, does not count as an empty one
    labelSelector:
      matchLabels:
        {{- include "btc.selectorLabels" (list $.root $.component) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Strategy of a Deployment that may run twice: .Values.webApp */}}
{{- define "btc.updateStrategy" -}}
type: {{ .updateStrategy }}
{{- if eq .updateStrategy "RollingUpdate" }}
rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
{{- end }}
{{- end -}}

{{/* Ingress peers of a NetworkPolicy: callers from outside, where the Service lets them in: .Values.webApp.service */}}
{{- define "btc.fromOutside" -}}
{{- if ne .type "ClusterIP" }}
{{- range .sourceRanges }}
- ipBlock: { cidr: {{ . }} }
{{- end }}
{{- end }}
{{- end -}}

{{/* Pod labels by which Istio injects its proxy. */}}
{{- define "btc.meshLabels" -}}
{{- if eq .Values.mesh.provider "istio" }}
sidecar.istio.io/inject: "true"
{{- end }}
{{- end -}}

{{/* The proxy starts before the container and ends after it; requests = limits, so that guaranteed pods stay guaranteed. */}}
{{- define "btc.meshAnnotations" -}}
{{- with .Values.mesh }}
{{- if eq .provider "istio" }}
proxy.istio.io/config: '{"holdApplicationUntilProxyStarts": true}'
sidecar.istio.io/proxyCPU: {{ .proxyResources.cpu }}
sidecar.istio.io/proxyCPULimit: {{ .proxyResources.cpu }}
sidecar.istio.io/proxyMemory: {{ .proxyResources.memory }}
sidecar.istio.io/proxyMemoryLimit: {{ .proxyResources.memory }}
{{- else if eq .provider "linkerd" }}
linkerd.io/inject: enabled
config.linkerd.io/proxy-await: enabled
config.linkerd.io/default-inbound-policy: all-authenticated
config.linkerd.io/opaque-ports: "9092,9093"
config.linkerd.io/proxy-cpu-request: {{ .proxyResources.cpu }}
config.linkerd.io/proxy-cpu-limit: {{ .proxyResources.cpu }}
config.linkerd.io/proxy-memory-request: {{ .proxyResources.memory }}
config.linkerd.io/proxy-memory-limit: {{ .proxyResources.memory }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Annotations of a hook's pod in a mesh: Linkerd's proxy ends on request only where this is enabled. */}}
{{- define "btc.meshHookAnnotations" -}}
{{- include "btc.meshAnnotations" . }}
{{- if eq .Values.mesh.provider "linkerd" }}
config.linkerd.io/proxy-admin-shutdown: enabled
{{- end }}
{{- end -}}

{{/* First arguments of a hook in a mesh, for `python -c`: what follows is the command, after which the proxy ends too. */}}
{{- define "btc.endProxy" -}}
- |
  {{- .Files.Get "files/end_proxy.py" | nindent 2 }}
- {{ eq .Values.mesh.provider "istio" | ternary "http://127.0.0.1:15020/quitquitquit" "http://127.0.0.1:4191/shutdown" }}
{{- end -}}
