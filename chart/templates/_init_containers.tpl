{{/*
The wait container: an init container for the pods of a parent chart. It waits until all migrations of its image are applied, and runs no
migrations.

  initContainers:
    {{- include "shiplock.waitForMigrations" (dict "context" .) | nindent 8 }}
  volumes:
    {{- include "shiplock.podVolumes" (dict "context" .) | nindent 8 }}

Other keys of the dict: "alias", the alias of the dependency in Chart.yaml; "env", a list of variables with the database connection,
instead of the chart's, such as the application's, for a read-only role; "version", a version to wait for, instead of the last one of the
image; "glob", with migrations.fromChart, the files of the calling chart, to wait for the last of them: the ConfigMap belongs to the newest
release, not to the release of the pod.
*/}}
{{- define "shiplock.waitForMigrations" -}}
{{- $call := merge (dict "helper" "shiplock.waitForMigrations") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- include "shiplock.validate" . -}}
{{- if .Values.tool.image.repository -}}
{{- fail "shiplock.waitForMigrations: with tool.image, only the tool knows the expected schema version: run the tool's own check in the pods, or use mode: hook without a wait container" -}}
{{- end -}}
{{- if and (not $call.env) (include "shiplock.hasDatabaseSecret" .) (has .Values.mode (list "hook" "argocd")) -}}
{{- fail (printf "shiplock.waitForMigrations: the pods would read the password from the Secret of a hook, which every release replaces before it has succeeded: pass \"env\" (variables with the database connection), or set %s.database.existingSecret" .Alias) -}}
{{- end -}}
{{- $version := $call.version -}}
{{- if and (not $version) .Values.migrations.fromChart -}}
{{- $version = include "shiplock.lastVersion" $call -}}
{{- end -}}
{{- $_ := set . "Prefix" (include "shiplock.aliasPrefix" .) -}}
- name: {{ .Prefix }}wait-for-migrations
  {{- include "shiplock.podContainerImage" . | nindent 2 }}
  args:
    - wait
    {{- with $version }}
    - --version={{ toString . }}
    {{- end }}
  env:
    {{- include "shiplock.waitEnv" (dict "context" . "env" $call.env "mode" "wait") | trim | nindent 4 }}
  {{- if not $call.env }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.wait.resources | nindent 4 }}
  securityContext:
    {{- include "shiplock.podContainerSecurity" . | nindent 4 }}
  {{- with include (kindIs "slice" $call.env | ternary "shiplock.ownVolumeMounts" "shiplock.volumeMounts") . | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/*
An init container that runs the migrations in the pods of a parent chart; requires mode: initContainer. Of pods that start at the same time,
one migrates and the others wait, up to the timeout of a run.

  initContainers:
    {{- include "shiplock.initContainer" (dict "context" .) | nindent 8 }}
  volumes:
    {{- include "shiplock.podVolumes" (dict "context" .) | nindent 8 }}

"alias" is the alias of the dependency in Chart.yaml, if any.
*/}}
{{- define "shiplock.initContainer" -}}
{{- $call := merge (dict "helper" "shiplock.initContainer") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- include "shiplock.validate" . -}}
{{- if ne .Values.mode "initContainer" -}}
{{- fail (printf "shiplock.initContainer: both the pods and a Job would migrate, because %s.mode is %q: set %s.mode=initContainer, or use shiplock.waitForMigrations" .Alias .Values.mode .Alias) -}}
{{- end -}}
{{- $_ := set . "Prefix" (include "shiplock.aliasPrefix" .) -}}
- name: {{ .Prefix }}migrator
  {{- include "shiplock.podContainerImage" . | nindent 2 }}
  args:
    - up
    {{- with .Values.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    {{- include "shiplock.env" . | trim | nindent 4 }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- include "shiplock.podContainerSecurity" . | nindent 4 }}
  {{- with include "shiplock.migratorVolumeMounts" . | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The volumes that shiplock.waitForMigrations and shiplock.initContainer mount, if any; takes the same dict. */}}
{{- define "shiplock.podVolumes" -}}
{{- $call := merge (dict "helper" "shiplock.podVolumes") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- $_ := set . "Prefix" (include "shiplock.aliasPrefix" .) -}}
{{- include (kindIs "slice" $call.env | ternary "shiplock.ownVolumes" (eq .Values.mode "initContainer" | ternary "shiplock.migratorVolumes" "shiplock.volumes")) . | trim -}}
{{- end -}}
{{- end -}}

{{/* The prefix of container and volume names in the parent's pods, where two dependencies may add containers. */}}
{{- define "shiplock.aliasPrefix" -}}
{{- include "shiplock.dnsLabel" (dict "name" .Alias "max" 43) -}}-
{{- end -}}

{{- define "shiplock.podContainerImage" -}}
image: {{ include "shiplock.imageReference" (dict "context" . "path" "image" "image" .Values.image "defaultTag" (include "shiplock.isMigratorImage" . | empty | ternary "" .Chart.AppVersion)) | toJson }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{/* The container's security context, including pod-level settings: the pod's security context belongs to the calling chart. */}}
{{- define "shiplock.podContainerSecurity" -}}
{{- $pod := pick .Values.podSecurityContext "runAsNonRoot" "runAsUser" "runAsGroup" "seccompProfile" "seLinuxOptions" "appArmorProfile" "windowsOptions" -}}
{{- toYaml (merge dict .Values.securityContext $pod) -}}
{{- end -}}

{{/*
The environment of the wait container. No timeout: Kubernetes restarts a container that has timed out only after a delay. No onNewer: pods of
the old version must be able to start on the new schema during a rollout.
*/}}
{{- define "shiplock.waitEnv" -}}
{{- $names := list -}}
{{- range .env -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $own := list -}}
{{- range include "shiplock.databaseEnv" .context | fromYamlArray -}}
{{- if not (and $.env (or (has .name $names) (hasPrefix "DATABASE_" .name) (has .name (list "PGHOST" "PGPORT" "PGDATABASE" "PGUSER" "PGPASSWORD" "SHIPLOCK_DATABASE_URL_FILE" "SHIPLOCK_PASSWORD_FILE"
  "SHIPLOCK_PASSWORD_COMMAND" "SHIPLOCK_ROLE")))) -}}
{{- $own = append $own . -}}
{{- end -}}
{{- end -}}
{{- $required := .env | empty | ternary (include "shiplock.databaseRequired" .context) "" -}}
{{- with .context.Values -}}
{{- range list
  (list "SHIPLOCK_REQUIRED_ENV" $required)
  (list "SHIPLOCK_MODE" $.mode)
  (list "SHIPLOCK_TERMINATION_LOG" "/dev/termination-log")
  (list "SHIPLOCK_SOURCE" .migrations.path)
  (list "SHIPLOCK_TABLE" .migrationsTable)
  (list "SHIPLOCK_UNRECOGNIZED_FILES" .unrecognizedFiles)
  (list "SHIPLOCK_LOG_FORMAT" .logFormat)
  (list "SHIPLOCK_LOG_LEVEL" .logLevel)
  (list "SHIPLOCK_PROGRESS" .progress)
-}}
{{- if last . -}}
{{- $own = append $own (dict "name" (first .) "value" (last . | replace "$" "$$")) -}}
{{- end -}}
{{- end -}}
{{- toYaml (concat $own ($.env | default .extraEnv)) -}}
{{- end -}}
{{- end -}}

{{/* The highest version of the calling chart's migrations. atoi ignores leading zeros; int64 would read an octal number. */}}
{{- define "shiplock.lastVersion" -}}
{{- $last := 0 -}}
{{- range $path, $_ := .context.Files.Glob (required (printf "%s requires \"glob\"" .helper) .glob) -}}
{{- with regexFind "^[0-9]+_.*\\.up\\." (base $path) -}}
{{- $last = max $last (regexFind "^[0-9]+" . | atoi) -}}
{{- end -}}
{{- end -}}
{{- if not $last -}}
{{- fail (printf "%s: no file of chart %q that matches %q is an up migration" .helper .context.Chart.Name .glob) -}}
{{- end -}}
{{- $last -}}
{{- end -}}
