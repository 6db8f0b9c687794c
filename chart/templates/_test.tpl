{{/* "" if nobody but a tool knows the version, or if Argo CD runs the release (it runs no tests). */}}
{{- define "shiplock.chartMakesTest" -}}
{{- if not (or .Values.tool.image.repository (eq .Values.mode "argocd")) -}}true{{- end -}}
{{- end -}}

{{/*
What "helm test" runs: it succeeds when the database has every migration of this release, and waits for that as long as a run may take.
It comes from this chart in every mode: a chart's templates are rendered before its parent's, so that no template of this chart can
know whether the parent includes what makes the migrations run. Where the Job comes from the parent's template, so does the version to
wait for; without it, Kubernetes leaves the reference in the argument, and the migrator reports it as an invalid version.
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
