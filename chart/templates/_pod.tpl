{{/*
The migrator's environment, without extraEnv. Only hooks have the revision: it would change an ordinary Job, Argo CD has none, and the hooks
of a rollback belong to the target revision. In pods that migrate (mode: initContainer), lockWait is the timeout of a run: all pods but one
wait for the lock, and Kubernetes restarts a container that has timed out only after a delay.
*/}}
{{- define "shiplock.env" -}}
{{- include "shiplock.databaseEnv" . -}}
{{- $settings := list
  (list "SHIPLOCK_REQUIRED_ENV" (printf "%s %s" (include "shiplock.databaseRequired" .) (include "shiplock.notifyRequired" .) | trim))
  (list "SHIPLOCK_MODE" (include "shiplock.runMode" .))
  (list "SHIPLOCK_TERMINATION_LOG" "/dev/termination-log")
  (list "SHIPLOCK_TABLE" .Values.migrationsTable)
  (list "SHIPLOCK_WAIT_FOR_DB" (printf "%ss" (include "shiplock.seconds" .Values.waitForDatabase)))
  (list "SHIPLOCK_LOCK_WAIT" (printf "%ss" (include "shiplock.seconds" (eq .Values.mode "initContainer" | ternary .Values.timeout .Values.lockWait))))
  (list "SHIPLOCK_TIMEOUT" (printf "%ss" (include "shiplock.seconds" .Values.timeout)))
  (list "SHIPLOCK_RELEASE" .Release.Name)
  (list "SHIPLOCK_REVISION" (and (eq (include "shiplock.placement" .) "helm") (get . "Purpose" | empty) | ternary (toString .Release.Revision) ""))
  (list "SHIPLOCK_NAMESPACE" .Release.Namespace)
  (list "SHIPLOCK_LOG_FORMAT" .Values.logFormat)
  (list "SHIPLOCK_LOG_LEVEL" .Values.logLevel)
  (list "SHIPLOCK_PROGRESS" .Values.progress)
-}}
{{- if .Values.tool.image.repository -}}
{{- $settings = concat $settings (list
  (list "SHIPLOCK_TOOL_VERSION" (include "shiplock.toolImage" .))
  (list "SHIPLOCK_ON_NEWER" .Values.onNewer)
  (list "SHIPLOCK_ON_STALE_LOCK" .Values.tool.onStaleLock)
  (list "HOME" (include "shiplock.toolHome" .))
) -}}
{{- else -}}
{{- $settings = concat (list
  (list "SHIPLOCK_SOURCE" .Values.migrations.path)
  (list "SHIPLOCK_TX_MODE" .Values.txMode)
  (list "SHIPLOCK_ON_NEWER" (include "shiplock.rollsBack" . | empty | ternary .Values.onNewer "down"))
  (list "SHIPLOCK_ALLOW_DATA_LOSS" (and (include "shiplock.rollsBack" . | empty | not) .Values.rollback.allowDataLoss | ternary "true" ""))
  (list "SHIPLOCK_UNRECOGNIZED_FILES" .Values.unrecognizedFiles)
  (list "SHIPLOCK_OUT_OF_ORDER" .Values.outOfOrder)
  (list "SHIPLOCK_ON_EDITED" .Values.onEdited)
  (list "SHIPLOCK_REQUIRE_DOWN" (.Values.requireDown | default "" | toString))
  (list "SHIPLOCK_LOCK_TIMEOUT" (printf "%ss" (include "shiplock.seconds" .Values.lockTimeout)))
) $settings -}}
{{- end -}}
{{- range $settings -}}
{{- if last . }}
- name: {{ first . }}
  value: {{ include "shiplock.envValue" (last .) }}
{{- end -}}
{{- end -}}
{{- include "shiplock.notifyEnv" . -}}
{{- include "shiplock.identityEnv" . -}}
{{- end -}}

{{/*
Disables sidecar injection: the Job would never finish, or would have no network while the proxy starts. Istio reads the label, the other
meshes the annotations; Kuma has changed from annotations to labels.
*/}}
{{- define "shiplock.noSidecarLabels" -}}
sidecar.istio.io/inject: "false"
kuma.io/sidecar-injection: disabled
{{- end -}}

{{- define "shiplock.noSidecarAnnotations" -}}
sidecar.istio.io/inject: "false"
linkerd.io/inject: disabled
kuma.io/sidecar-injection: disabled
consul.hashicorp.com/connect-inject: "false"
{{- end -}}

{{/* Requests a native sidecar, which ends with the migrator. Linkerd has renamed its annotation twice. */}}
{{- define "shiplock.nativeSidecarAnnotations" -}}
sidecar.istio.io/nativeSidecar: "true"
config.linkerd.io/proxy-enable-native-sidecar: "true"
config.beta.linkerd.io/proxy-enable-native-sidecar: "true"
config.alpha.linkerd.io/proxy-enable-native-sidecar: "true"
{{- end -}}

{{- define "shiplock.podLabels" -}}
{{- $own := include "shiplock.labels" . | fromYaml -}}
{{- if not .Values.sidecarInjection -}}
{{- $own = merge $own (include "shiplock.noSidecarLabels" . | fromYaml) -}}
{{- end -}}
{{- toYaml (merge $own .Values.podLabels) -}}
{{- end -}}

{{- define "shiplock.podAnnotations" -}}
{{- $own := dict -}}
{{- if not .Values.sidecarInjection -}}
{{- $own = include "shiplock.noSidecarAnnotations" . | fromYaml -}}
{{- else if .Values.nativeSidecar -}}
{{- $own = include "shiplock.nativeSidecarAnnotations" . | fromYaml -}}
{{- end -}}
{{- with merge $own .Values.podAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/*
Volumes and mounts. In the pods of a parent chart (.Prefix is set), their names begin with the alias, and the ConfigMap of the parent's files
is not mounted: shiplock.waitForMigrations waits for a version.
*/}}
{{- define "shiplock.volumes" -}}
{{- include "shiplock.ownVolumes" . }}
{{ with .Values.extraVolumes }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "shiplock.ownVolumes" -}}
{{- include "shiplock.migrationsVolume" . }}
{{ include "shiplock.toolVolumes" . }}
{{ include "shiplock.caVolume" . }}
{{- end -}}

{{/* All volumes of the containers that migrate. */}}
{{- define "shiplock.migratorVolumes" -}}
{{- include "shiplock.volumes" . }}
{{ include "shiplock.notifyVolume" . }}
{{- end -}}

{{- define "shiplock.migratorVolumeMounts" -}}
{{- include "shiplock.volumeMounts" . }}
{{ include "shiplock.notifyVolumeMount" . }}
{{- end -}}

{{- define "shiplock.volumeMounts" -}}
{{- include "shiplock.ownVolumeMounts" . }}
{{ with .Values.extraVolumeMounts }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "shiplock.ownVolumeMounts" -}}
{{- if include "shiplock.migrationsVolume" . -}}
- name: {{ get . "Prefix" }}migrations
  mountPath: {{ .Values.migrations.path | toJson }}
  readOnly: true
  {{- if and .Values.migrations.image.repository .Values.migrations.image.subPath }}
  subPath: {{ .Values.migrations.image.subPath | toJson }}
  {{- end }}
{{- end }}
{{ include "shiplock.toolVolumeMounts" . }}
{{ if include "shiplock.caVolume" . -}}
- name: {{ get . "Prefix" }}ca
  mountPath: /etc/shiplock/ca
  readOnly: true
{{- end }}
{{- end -}}

{{/*
The spec of the chart's pods, without containers: dict "context" . "account" (ServiceAccount; "" is the namespace's default) "token" (whether
to mount its token) "volumes" (as text).
*/}}
{{- define "shiplock.podCommon" -}}
{{- with .context -}}
restartPolicy: Never
automountServiceAccountToken: {{ $.token }}
{{- with $.account }}
serviceAccountName: {{ . | toJson }}
{{- end }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
{{- with include "shiplock.imagePullSecrets" . }}
{{- . | nindent 0 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with $.volumes | trim }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | toJson }}
{{- end }}
{{- end -}}
{{- end -}}
