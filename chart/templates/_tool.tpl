{{/* Lends the migrator, which is one static file, to the tool's image. */}}
{{- define "shiplock.toolInstaller" -}}
- name: install
  {{- include "shiplock.podContainerImage" . | nindent 2 }}
  args:
    - install
    - /shiplock
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: program
      mountPath: /shiplock
{{- end -}}

{{- define "shiplock.toolProgram" -}}
image: {{ include "shiplock.imageReference" (dict "context" . "path" "tool.image" "image" .Values.tool.image "defaultTag" "") | toJson }}
imagePullPolicy: {{ .Values.tool.image.pullPolicy }}
command:
  - /shiplock/migrator
  - exec
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  - --
  {{- concat .Values.tool.command .Values.tool.args | toYaml | nindent 2 }}
{{- end -}}

{{/* An image that names no user runs as root, and runAsNonRoot keeps its container from starting. OpenShift chooses the user itself. */}}
{{- define "shiplock.jobContainerSecurity" -}}
{{- $own := dict -}}
{{- $openshift := .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- if and .Values.tool.image.repository .Values.tool.runAsUser (not $openshift) (not (hasKey .Values.podSecurityContext "runAsUser")) (not (hasKey .Values.securityContext "runAsUser")) -}}
{{- $own = dict "runAsUser" (int64 .Values.tool.runAsUser) "runAsGroup" (int64 .Values.tool.runAsUser) -}}
{{- end -}}
{{- toYaml (merge dict .Values.securityContext $own) -}}
{{- end -}}

{{/* Tools write to the temporary and the home folder, and the container's own file system is read-only. */}}
{{- define "shiplock.toolVolumes" -}}
{{- if .Values.tool.image.repository -}}
- name: program
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- end -}}
{{- end -}}

{{- define "shiplock.toolVolumeMounts" -}}
{{- if .Values.tool.image.repository -}}
- name: program
  mountPath: /shiplock
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end -}}
{{- end -}}

{{/* Where the tool may write, unless the user says where it is at home. */}}
{{- define "shiplock.toolHome" -}}
{{- $own := false -}}
{{- range concat .Values.extraEnv .Values.tool.env -}}
{{- $own = or $own (eq .name "HOME") -}}
{{- end -}}
{{- if not $own -}}/tmp{{- end -}}
{{- end -}}

{{/* What is said to migrator up has no meaning for a tool; said all the same, it would be believed to hold. */}}
{{- define "shiplock.validateTool" -}}
{{- if .Values.tool.image.repository -}}
{{- if not .Values.tool.command -}}
{{- include "shiplock.refuse" (list $ ".Values.tool.image.repository is set, but not what to run: set .Values.tool.command, such as [npm, run, migrate]; the image's own entry point is not used") -}}
{{- end -}}
{{- if eq .Values.mode "initContainer" -}}
{{- include "shiplock.refuse" (list $ ".Values.mode: initContainer runs migrator up in the application's pods, and no tool: use .Values.mode: hook or job with .Values.tool.image") -}}
{{- end -}}
{{- range $name := list "txMode" "onNewer" "outOfOrder" "onEdited" "unrecognizedFiles" "requireDown" -}}
{{- if get $.Values $name -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s is for migrations that the migrator runs itself, and with .Values.tool.image.repository the tool runs them: leave one of the two empty" $name)) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- include "shiplock.refuse" (list $ ".Values.rollback.policy: down undoes migrations that the migrator has run itself, and with .Values.tool.image.repository the tool runs them: leave it at keep") -}}
{{- end -}}
{{- if or .Values.migrations.image.repository .Values.migrations.existingConfigMap .Values.migrations.fromChart -}}
{{- include "shiplock.refuse" (list $ "migrations are for the migrator itself, and with .Values.tool.image.repository the tool has its own: build them into its image, or mount them with .Values.extraVolumes and .Values.extraVolumeMounts") -}}
{{- end -}}
{{- else if or .Values.tool.command .Values.tool.args .Values.tool.env -}}
{{- include "shiplock.refuse" (list $ ".Values.tool.command, .Values.tool.args and .Values.tool.env say how to run a tool, but not which: set .Values.tool.image.repository") -}}
{{- end -}}
{{- end -}}
