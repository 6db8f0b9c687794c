{{/* The Job. */}}
{{- define "shiplock.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "shiplock.jobObjectName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "shiplock.labels" . | nindent 4 }}
  {{- with include "shiplock.objectAnnotations" (dict "context" . "weight" 0 "logs" true) }}
  {{- . | nindent 2 }}
  {{- end }}
spec:
  {{- include "shiplock.jobSpec" . | nindent 2 }}
{{- end -}}

{{- define "shiplock.jobSpec" -}}
backoffLimit: {{ int .Values.backoffLimit }}
activeDeadlineSeconds: {{ int .Values.activeDeadlineSeconds }}
{{- if and (eq (include "shiplock.placement" .) "release") (not (get . "Purpose")) (not (has (toString .Values.ttlSecondsAfterFinished) (list "" "<nil>"))) }}
ttlSecondsAfterFinished: {{ int .Values.ttlSecondsAfterFinished }}
{{- end }}
# A failed migration fails the Job immediately, a drained node is ignored, and other failures are retried.
# 2: configuration, 5: refused, 6 and 7: a migration failed, 124: timed out.
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes:
        containerName: migrator
        operator: In
        values: [2, 5, 6, 7, 124]
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
template:
  metadata:
    labels:
      {{- include "shiplock.podLabels" . | nindent 6 }}
    {{- with include "shiplock.podAnnotations" . }}
    {{- . | nindent 4 }}
    {{- end }}
  spec:
    {{- $account := .Values.kubernetesEvents.enabled | ternary (include "shiplock.eventsAccount" .) (tpl .Values.serviceAccount.name .) }}
    {{- include "shiplock.podCommon" (dict "context" . "account" $account "token" (or .Values.serviceAccount.automount .Values.kubernetesEvents.enabled)
      "volumes" (include "shiplock.migratorVolumes" .)) | nindent 4 }}
    {{- if .Values.tool.image.repository }}
    initContainers:
      {{- include "shiplock.toolInstaller" . | nindent 6 }}
    {{- end }}
    containers:
      - name: migrator
        {{- include "shiplock.jobProgram" . | nindent 8 }}
        env:
          {{- include "shiplock.env" . | trim | nindent 10 }}
          {{- with .Values.sidecarShutdownURL }}
          - name: SHIPLOCK_SIDECAR_SHUTDOWN_URL
            value: {{ include "shiplock.envValue" . }}
          {{- end }}
          {{- with concat .Values.extraEnv .Values.tool.env }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        {{- with .Values.extraEnvFrom }}
        envFrom:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        terminationMessagePolicy: FallbackToLogsOnError
        resources:
          {{- toYaml .Values.resources | nindent 10 }}
        securityContext:
          {{- include "shiplock.jobContainerSecurity" . | nindent 10 }}
        {{- with include "shiplock.migratorVolumeMounts" . | trim }}
        volumeMounts:
          {{- . | nindent 10 }}
        {{- end }}
{{- end -}}

{{/* The image and command of the Job's container: the migrator, or an external tool run by the migrator. */}}
{{- define "shiplock.jobProgram" -}}
{{- if .Values.tool.image.repository -}}
{{- include "shiplock.toolProgram" . -}}
{{- else -}}
{{- include "shiplock.podContainerImage" . }}
args:
  - up
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- end -}}
