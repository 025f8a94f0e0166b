{{/* Begins the names of all objects; at most 63 characters, because it is the Service's name. Helm allows releases 53. */}}
{{- define "aeo.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 42 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{- define "aeo.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "aeo.fullname" .) -}}
{{- end -}}

{{/* The Lease is named like everything else, unless settings say otherwise. */}}
{{- define "aeo.lease" -}}
{{- .Values.settings.AEG_LEASE_NAME | default (include "aeo.fullname" .) -}}
{{- end -}}

{{/* What selects the pods. Under the default name exactly what manifests/ select by, so that Helm can take such a Deployment over. */}}
{{- define "aeo.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
{{- if ne (include "aeo.fullname" .) .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end -}}

{{- define "aeo.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" .Chart.Name
  "app.kubernetes.io/part-of" "auditflow"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- merge (dict) $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* metadata of an object of this release: dict "context" . and, if wanted, "name", "labels", "annotations" */}}
{{- define "aeo.metadata" -}}
name: {{ .name | default (include "aeo.fullname" .context) }}
namespace: {{ .context.Release.Namespace }}
labels:
  {{- merge (dict) (include "aeo.labels" .context | fromYaml) (.labels | default dict) | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .context.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Objects of a file in files/, which `make manifests` copies from crds/ and manifests/: the same, with the names, the namespace and
the labels of this release. dict "context" . "file" "files/…" and, if wanted, "kinds" (those alone), "namespace", "labels",
"annotations", "replace" (list FROM TO).
*/}}
{{- define "aeo.objects" -}}
{{- $context := .context -}}
{{- $wanted := . -}}
{{- $fullname := include "aeo.fullname" $context -}}
{{- $file := $context.Files.Get .file -}}
{{- with .replace }}{{ $file = replace (index . 0) (index . 1) $file }}{{ end -}}
{{- range regexSplit "(?m)^---$" $file -1 }}
{{- $object := fromYaml . }}
{{- if has $object.kind ($wanted.kinds | default (list $object.kind)) }}
{{- $metadata := $object.metadata }}
{{- $_ := set $metadata "name" (regexReplaceAll "^audit-event-operator" $metadata.name $fullname) }}
{{- if or $metadata.namespace (has $object.kind (list "Role" "RoleBinding")) }}
{{- $_ := set $metadata "namespace" ($wanted.namespace | default $context.Release.Namespace) }}
{{- end }}
{{- $_ := set $metadata "labels" (merge (dict) (include "aeo.labels" $context | fromYaml) ($wanted.labels | default dict) ($metadata.labels | default dict)) }}
{{- with merge (dict) ($wanted.annotations | default dict) ($metadata.annotations | default dict) $context.Values.commonAnnotations }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
{{- with $object.roleRef }}
{{- $_ := set . "name" (regexReplaceAll "^audit-event-operator" .name $fullname) }}
{{- end }}
{{- range $object.subjects }}
{{- $_ := set . "name" (include "aeo.serviceAccount" $context) }}
{{- $_ := set . "namespace" $context.Release.Namespace }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The values that no schema can refuse. */}}
{{- define "aeo.check" -}}
{{- if and .Values.monitoring.enabled .Values.podLabels.prometheus_scrape -}}
{{- fail "monitoring.enabled and podLabels.prometheus_scrape exclude each other: everything would be scraped and counted twice" -}}
{{- end -}}
{{- if and (eq (.Values.settings.AEG_API_AUTH | default "") "kubernetes") (not .Values.accessReviews.enabled) -}}
{{- fail "settings.AEG_API_AUTH: kubernetes needs accessReviews.enabled: true, which brings the rights for it" -}}
{{- end -}}
{{- if and .Values.serviceAccount.annotations (not .Values.serviceAccount.create) -}}
{{- fail "serviceAccount.annotations needs serviceAccount.create: true; without it the ServiceAccount is yours" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create: false needs serviceAccount.name, the name of your ServiceAccount" -}}
{{- end -}}
{{- end -}}
