{{/* "true" if there is a test; "" for an external tool, because only the tool knows its version, and for Argo CD, which runs no tests. */}}
{{- define "shiplock.chartMakesTest" -}}
{{- if not (or .Values.tool.image.repository (eq .Values.mode "argocd")) -}}true{{- end -}}
{{- end -}}

{{/*
The pod of "helm test". It succeeds when all migrations of this release are applied, and waits up to the timeout of a run. This chart renders it
in every mode: a chart's templates are rendered before its parent's, so this chart cannot detect whether the parent includes the templates that
run the migrations. If the parent's template renders the Job, it also renders the version to wait for. Without that include, Kubernetes keeps the
reference in the argument, and the migrator reports it as an invalid version.
*/}}
{{- define "shiplock.test" -}}
{{- $fromParent := and (not (include "shiplock.chartMakesJob" .)) (ne .Values.mode "initContainer") -}}
{{- $version := "shiplock.migrationsConfigMap-is-not-included" -}}
{{- $dot := dict "FilesUnknown" $fromParent -}}
{{- range $key, $value := . -}}
{{- $_ := set $dot $key $value -}}
{{- end -}}
{{- with $dot -}}
{{- $labels := merge (dict "app.kubernetes.io/component" "schema-test") (include "shiplock.podLabels" . | fromYaml) -}}
{{- $hook := dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "shiplock.fullname" . }}-test
  namespace: {{ .Release.Namespace }}
  labels:
    {{- toYaml $labels | nindent 4 }}
  annotations:
    {{- merge $hook .Values.commonAnnotations (include "shiplock.podAnnotations" . | fromYaml | dig "annotations" dict) | toYaml | nindent 4 }}
spec:
  activeDeadlineSeconds: {{ add 30 (include "shiplock.seconds" .Values.timeout) }}
  {{- include "shiplock.podCommon" (dict "context" . "account" (tpl .Values.serviceAccount.name .) "token" .Values.serviceAccount.automount
    "volumes" (include "shiplock.volumes" .)) | nindent 2 }}
  containers:
    - name: schema
      {{- include "shiplock.podContainerImage" . | nindent 6 }}
      args:
        - wait
        {{- if $fromParent }}
        - --version=$({{ $version }})
        {{- end }}
        - --timeout={{ include "shiplock.seconds" .Values.timeout }}s
      env:
        {{- if $fromParent }}
        - name: {{ $version }}
          valueFrom:
            configMapKeyRef:
              name: {{ include "shiplock.versionConfigMapName" . }}
              key: version
              optional: true
        {{- end }}
        {{- include "shiplock.waitEnv" (dict "context" .) | trim | nindent 8 }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      resources:
        {{- toYaml .Values.wait.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      {{- with include "shiplock.volumeMounts" . | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
{{- end -}}
{{- end -}}
