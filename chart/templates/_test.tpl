{{/* "" if nobody but a tool knows the version, if Argo CD runs the release (it runs no tests), or if the parent makes the Job. */}}
{{- define "shiplock.chartMakesTest" -}}
{{- if not (or .Values.tool.image.repository (eq .Values.mode "argocd")) -}}
{{- if or (eq .Values.mode "initContainer") (include "shiplock.chartMakesJob" .) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* What "helm test" runs: it succeeds when the database has every migration of this release, and waits for that as long as a run may take. */}}
{{- define "shiplock.test" -}}
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
    {{- merge $hook .Values.annotations (include "shiplock.podAnnotations" . | fromYaml | dig "annotations" dict) | toYaml | nindent 4 }}
spec:
  activeDeadlineSeconds: {{ add 30 (include "shiplock.seconds" .Values.timeout) }}
  {{- include "shiplock.podCommon" (dict "context" . "account" (tpl .Values.serviceAccountName .) "token" .Values.automountServiceAccountToken
    "volumes" (include "shiplock.volumes" .)) | nindent 2 }}
  containers:
    - name: schema
      {{- include "shiplock.podContainerImage" . | nindent 6 }}
      args:
        - wait
        - --timeout={{ include "shiplock.seconds" .Values.timeout }}s
      env:
        {{- include "shiplock.gateEnv" (dict "context" .) | trim | nindent 8 }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      resources:
        {{- toYaml .Values.gate.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      {{- with include "shiplock.volumeMounts" . | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
{{- end -}}
