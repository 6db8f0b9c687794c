{{/* The init container that copies the migrator, a static binary, for the tool's container. */}}
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

{{/* The reference of the tool's image, which is also the version of its migrations (--tool-version). */}}
{{- define "shiplock.toolImage" -}}
{{- include "shiplock.imageReference" (dict "context" . "path" "tool.image" "image" .Values.tool.image "defaultTag" "") -}}
{{- end -}}

{{- define "shiplock.toolProgram" -}}
image: {{ include "shiplock.toolImage" . | toJson }}
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

{{/* Sets a user for images without one: they run as root, and runAsNonRoot prevents them from starting. OpenShift assigns a user itself. */}}
{{- define "shiplock.jobContainerSecurity" -}}
{{- $own := dict -}}
{{- $openshift := .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- if and .Values.tool.image.repository .Values.tool.runAsUser (not $openshift) (not (hasKey .Values.podSecurityContext "runAsUser")) (not (hasKey .Values.securityContext "runAsUser")) -}}
{{- $own = dict "runAsUser" (int64 .Values.tool.runAsUser) "runAsGroup" (int64 .Values.tool.runAsUser) -}}
{{- end -}}
{{- toYaml (merge dict .Values.securityContext $own) -}}
{{- end -}}

{{/* Tools write to the temporary and the home directory, and the root file system is read-only. */}}
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

{{/* The tool's home directory, /tmp; empty if extraEnv or tool.env sets HOME. */}}
{{- define "shiplock.toolHome" -}}
{{- $own := false -}}
{{- range concat .Values.extraEnv .Values.tool.env -}}
{{- $own = or $own (eq .name "HOME") -}}
{{- end -}}
{{- if not $own -}}/tmp{{- end -}}
{{- end -}}

{{/* Refuses settings of migrator up, which have no effect on an external tool. */}}
{{- define "shiplock.validateTool" -}}
{{- if .Values.tool.image.repository -}}
{{- if not .Values.tool.command -}}
{{- include "shiplock.fail" (list $ ".Values.tool.image.repository is set, but no command: set .Values.tool.command, such as [npm, run, migrate]. The image's entry point is not used") -}}
{{- end -}}
{{- if eq .Values.mode "initContainer" -}}
{{- include "shiplock.fail" (list $ ".Values.mode: initContainer does not support .Values.tool.image: set .Values.mode to hook or job") -}}
{{- end -}}
{{- range $name := list "txMode" "outOfOrder" "onEdited" "unrecognizedFiles" "requireDown" -}}
{{- if get $.Values $name -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s does not apply to the external tool in .Values.tool.image.repository: remove one of the two" $name)) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.rollback.policy "down" -}}
{{- include "shiplock.fail" (list $ ".Values.rollback.policy: down does not apply to the external tool in .Values.tool.image.repository: set it to keep") -}}
{{- end -}}
{{- if or .Values.migrations.image.repository .Values.migrations.existingConfigMap .Values.migrations.fromChart -}}
{{- include "shiplock.fail" (list $ ".Values.migrations does not apply to the external tool in .Values.tool.image.repository: build the migrations into the tool's image, or mount them with .Values.extraVolumes and .Values.extraVolumeMounts") -}}
{{- end -}}
{{- else if or .Values.tool.command .Values.tool.args .Values.tool.env .Values.tool.onStaleLock -}}
{{- include "shiplock.fail" (list $ ".Values.tool.command, .Values.tool.args, .Values.tool.env and .Values.tool.onStaleLock require .Values.tool.image.repository: set it to the tool's image") -}}
{{- end -}}
{{- end -}}
