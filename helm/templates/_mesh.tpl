{{- define "btc.meshLabels" -}}
{{- if eq .Values.mesh.provider "istio" }}
sidecar.istio.io/inject: "true"
{{- end }}
{{- end -}}

{{/* The proxy starts before us, ends after us, and has a size, so that guaranteed pods stay guaranteed. */}}
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
