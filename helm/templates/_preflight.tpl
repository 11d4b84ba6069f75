{{/* What the release needs and the cluster lacks, said before anything is created: one failure names all of it.
A cluster is asked by `helm install` and `helm upgrade`, also with --dry-run=server; `helm template` and lint ask none. */}}

{{- define "btc.preflight" -}}
{{- $missing := include "btc.missingKinds" . -}}
{{- if and .Values.preflight.cluster (lookup "v1" "Namespace" "" "kube-system") -}}
{{- $missing = print $missing (include "btc.missingStorage" .) (include "btc.missingForPods" .) (include "btc.missingChannel" .) -}}
{{- end -}}
{{- if and .Values.preflight.secrets (or (lookup "v1" "Namespace" "" .Release.Namespace) (and .Values.preflight.cluster (lookup "v1" "Namespace" "" "kube-system"))) -}}
{{- $missing = print $missing (include "btc.missingSecrets" .) -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "the cluster lacks what these values need; nothing was changed:%s\n" $missing) -}}
{{- end -}}
{{- end -}}

{{/* "true" where Helm knows the kinds of a cluster; without one it knows groups and versions only. */}}
{{- define "btc.knowsKinds" -}}
{{- if .Capabilities.APIVersions.Has "v1/Namespace" }}true{{ end -}}
{{- end -}}

{{/* Components with an HPA: dataCollector, bitcoinForecastApp, webApp, dashboard */}}
{{- define "btc.hpas" -}}
{{- $found := list -}}
{{- range $key := list "dataCollector" "bitcoinForecastApp" "webApp" "dashboard" -}}
{{- $values := get $.Values $key -}}
{{- if and $values.enabled $values.hpa.enabled }}{{ $found = append $found $key }}{{ end -}}
{{- end -}}
{{- join ", " $found -}}
{{- end -}}

{{- define "btc.missingKinds" -}}
{{- if include "btc.knowsKinds" . -}}
{{- $needs := list
  (list .Values.serviceMonitor.enabled "serviceMonitor.enabled" "monitoring.coreos.com/v1/ServiceMonitor" "the Prometheus operator")
  (list .Values.prometheusRule.enabled "prometheusRule.enabled" "monitoring.coreos.com/v1/PrometheusRule" "the Prometheus operator")
  (list .Values.keda.enabled "keda.enabled" "keda.sh/v1alpha1/ScaledObject" "KEDA")
  (list .Values.vpa.enabled "vpa.enabled" "autoscaling.k8s.io/v1/VerticalPodAutoscaler" "the Vertical Pod Autoscaler")
  (list .Values.gateway.enabled "gateway.enabled" "gateway.networking.k8s.io/v1/HTTPRoute" "the Gateway API and a controller for it")
  (list (eq .Values.mesh.provider "istio") "mesh.provider: istio" "security.istio.io/v1/PeerAuthentication" "Istio")
-}}
{{- range $need := $needs -}}
{{- if and (index $need 0) (not ($.Capabilities.APIVersions.Has (index $need 2))) }}
- {{ index $need 1 }}: the API server does not know {{ index $need 2 }}. Install {{ index $need 3 }}, or turn the value off.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Claims of a class that nobody provisions stay pending, and so do their pods. */}}
{{- define "btc.missingStorage" -}}
{{- $default := false -}}
{{- $names := list -}}
{{- $unnamed := list -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}
{{- $names = append $names .metadata.name -}}
{{- if eq (get (.metadata.annotations | default dict) "storageclass.kubernetes.io/is-default-class") "true" -}}
{{- $default = true -}}
{{- end -}}
{{- end -}}
{{- range $key := list "kafka" "kafkaController" "bitcoinForecastApp" "archive" -}}
{{- $enabled := eq $key "kafkaController" | ternary $.Values.kafka.enabled (get $.Values $key).enabled -}}
{{- $class := (get $.Values $key).persistence.storageClass -}}
{{- if and $enabled $class (not (has $class $names)) }}
- {{ $key }}.persistence.storageClass: there is no StorageClass {{ $class }}, only: {{ join ", " $names | default "none" }}. Name one of them.
{{- else if and $enabled (not $class) (not $default) -}}
{{- $unnamed = append $unnamed $key -}}
{{- end -}}
{{- end -}}
{{- if $unnamed }}
- persistence.storageClass of {{ join ", " $unnamed }}: it is empty, and no StorageClass is the default. Name one ({{ join ", " $names | default "there is none" }}), or make it the default: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true
{{- end -}}
{{- end -}}

{{/* PriorityClasses that cannot take our value, and the runtime of GPUs. */}}
{{- define "btc.missingForPods" -}}
{{- if .Values.priorityClasses.create -}}
{{- range $level, $value := omit .Values.priorityClasses "create" -}}
{{- $name := include "btc.priorityClass" (list $ $level) -}}
{{- $found := lookup "scheduling.k8s.io/v1" "PriorityClass" "" $name -}}
{{- if and $found (ne (int $found.value) (int $value)) }}
- priorityClasses.{{ $level }}: the PriorityClass {{ $name }} has the value {{ int $found.value }}, and a value cannot change. Set it to that, or delete the class: kubectl delete priorityclass {{ $name }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.bitcoinForecastApp -}}
{{- if and .enabled .gpu.enabled .gpu.runtimeClassName (not (lookup "node.k8s.io/v1" "RuntimeClass" "" .gpu.runtimeClassName)) }}
- bitcoinForecastApp.gpu.runtimeClassName: there is no RuntimeClass {{ .gpu.runtimeClassName }}. Install the device's operator, or leave the value empty for the default runtime.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The standard channel of the Gateway API has no sessionPersistence. */}}
{{- define "btc.missingChannel" -}}
{{- if and .Values.gateway.enabled .Values.gateway.sessionPersistence -}}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "httproutes.gateway.networking.k8s.io" -}}
{{- if and $crd (eq (get ($crd.metadata.annotations | default dict) "gateway.networking.k8s.io/channel") "standard") }}
- gateway.sessionPersistence: the cluster's HTTPRoutes are those of the standard channel, which has no sessionPersistence. Install the experimental channel, or turn the value off.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Pods that name a Secret or a key that is not there never start. */}}
{{- define "btc.missingSecrets" -}}
{{- $security := .Values.kafka.security -}}
{{- $tls := include "btc.kafkaTls" . -}}
{{- $needs := list
  (list .Values.webApp.enabled "secrets.apiKeys" .Values.secrets.apiKeys (list "api-keys") "generic")
  (list true "kafka.security.credentialsSecret" $security.credentialsSecret (list "username" "password") "generic")
  (list (and $tls .Values.kafka.enabled) "kafka.security.tlsSecret" $security.tlsSecret (list "ca.crt" "tls.crt" "tls.key") "generic")
  (list $tls "kafka.security.caSecret" $security.caSecret (list "ca.crt") "generic")
  (list $tls "kafka.security.clientCertSecret" $security.clientCertSecret (list "tls.crt" "tls.key") "generic")
-}}
{{- range $name := .Values.image.pullSecrets -}}
{{- $needs = append $needs (list true "image.pullSecrets" $name (list ".dockerconfigjson") "docker-registry") -}}
{{- end -}}
{{- range $need := $needs -}}
{{- $name := index $need 2 -}}
{{- if and (index $need 0) $name -}}
{{- $data := (lookup "v1" "Secret" $.Release.Namespace $name).data | default dict -}}
{{- $lacks := list -}}
{{- range $key := index $need 3 -}}
{{- if not (hasKey $data $key) }}{{ $lacks = append $lacks $key }}{{ end -}}
{{- end -}}
{{- if $lacks }}
- {{ index $need 1 }}: the Secret {{ $name }} in namespace {{ $.Release.Namespace }} is missing, or it lacks {{ join ", " $lacks }}: {{ include "btc.makeSecret" (list $ $need) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The command that makes a Secret: kubectl -n btc create secret generic btc-api-keys --from-literal=api-keys=… */}}
{{- define "btc.makeSecret" -}}
{{- $need := last . -}}
kubectl -n {{ (first .).Release.Namespace }} create secret {{ index $need 4 }} {{ index $need 2 }}
{{- if eq (index $need 4) "docker-registry" }} --docker-server=… --docker-username=… --docker-password=…
{{- else -}}
{{- range $key := index $need 3 }} {{ regexMatch "[.](crt|key)$" $key | ternary (printf "--from-file=%s" $key) (printf "--from-literal=%s=…" $key) }}{{ end -}}
{{- end -}}
{{- end -}}
