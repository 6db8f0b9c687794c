{{/*
An init container for the pods of a chart that depends on this one: it waits until the database has the migrations of the image
that it comes with, and migrates nothing.

  initContainers:
    {{- include "shiplock.waitForMigrations" (dict "context" .) | nindent 8 }}
  volumes:
    {{- include "shiplock.podVolumes" (dict "context" .) | nindent 8 }}

Further keys of the dict: "alias" names the dependency when Chart.yaml gives it one; "env" is a list of variables that lead to
the database in place of the chart's own, such as those of the application, for a role that may only read; "version" is waited for
whatever the files are; "glob" names the calling chart's files with migrations.fromChart, whose last version is then
waited for: the ConfigMap itself is the newest release's, and not that of the pod.
*/}}
{{- define "shiplock.waitForMigrations" -}}
{{- $call := merge (dict "helper" "shiplock.waitForMigrations") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- include "shiplock.validate" . -}}
{{- if .Values.tool.image.repository -}}
{{- fail "shiplock.waitForMigrations: nobody but the tool knows the version that the schema should have; let the pods run its own check, or use mode: hook without a gate" -}}
{{- end -}}
{{- if and (not $call.env) (include "shiplock.hasDatabaseSecret" .) (has .Values.mode (list "hook" "argocd")) -}}
{{- fail (printf "shiplock.waitForMigrations: the pods would read the password from the Secret of a hook, which every release replaces before it is known to be good: pass \"env\" (the application's own variables that lead to the database), or use %s.database.existingSecret" .Alias) -}}
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
An init container that migrates in the pods of a chart that depends on this one; wants mode: initContainer. Of all pods that
start at once, one migrates; the others wait until it has, for as long as a run may take.

  initContainers:
    {{- include "shiplock.initContainer" (dict "context" .) | nindent 8 }}
  volumes:
    {{- include "shiplock.podVolumes" (dict "context" .) | nindent 8 }}

"alias" names the dependency when Chart.yaml gives it one.
*/}}
{{- define "shiplock.initContainer" -}}
{{- $call := merge (dict "helper" "shiplock.initContainer") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- include "shiplock.validate" . -}}
{{- if ne .Values.mode "initContainer" -}}
{{- fail (printf "shiplock.initContainer: the pods would migrate beside a Job, for %s.mode is %q: set %s.mode=initContainer, or use shiplock.waitForMigrations" .Alias .Values.mode .Alias) -}}
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

{{/* The volumes that shiplock.waitForMigrations and shiplock.initContainer mount, if any; the same dict as for these. */}}
{{- define "shiplock.podVolumes" -}}
{{- $call := merge (dict "helper" "shiplock.podVolumes") . -}}
{{- include "shiplock.findDependency" $call -}}
{{- with $call.dependency -}}
{{- $_ := set . "Prefix" (include "shiplock.aliasPrefix" .) -}}
{{- include (kindIs "slice" $call.env | ternary "shiplock.ownVolumes" (eq .Values.mode "initContainer" | ternary "shiplock.migratorVolumes" "shiplock.volumes")) . | trim -}}
{{- end -}}
{{- end -}}

{{/* Before the names of containers and volumes in another chart's pods, which may be those of two dependencies. */}}
{{- define "shiplock.aliasPrefix" -}}
{{- include "shiplock.dnsLabel" (dict "name" .Alias "max" 43) -}}-
{{- end -}}

{{- define "shiplock.podContainerImage" -}}
image: {{ include "shiplock.imageReference" (dict "context" . "path" "image" "image" .Values.image "defaultTag" (include "shiplock.isMigratorImage" . | empty | ternary "" .Chart.AppVersion)) | toJson }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{/* The pod's security context is the calling chart's, so what a container can have of ours is in the container's. */}}
{{- define "shiplock.podContainerSecurity" -}}
{{- $pod := pick .Values.podSecurityContext "runAsNonRoot" "runAsUser" "runAsGroup" "seccompProfile" "seLinuxOptions" "appArmorProfile" "windowsOptions" -}}
{{- toYaml (merge dict .Values.securityContext $pod) -}}
{{- end -}}

{{/*
Without a limit of time: Kubernetes starts a container that has given up again, after a pause, and that is later than it need be.
And whatever onNewer says: a pod of the old version starts on the new schema, too, while the new version is rolled out.
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

{{/* The highest version among the calling chart's migrations. atoi takes a leading 0 for a zero, int64 for an octal number. */}}
{{- define "shiplock.lastVersion" -}}
{{- $last := 0 -}}
{{- range $path, $_ := .context.Files.Glob (required (printf "%s needs a \"glob\"" .helper) .glob) -}}
{{- with regexFind "^[0-9]+_.*\\.up\\." (base $path) -}}
{{- $last = max $last (regexFind "^[0-9]+" . | atoi) -}}
{{- end -}}
{{- end -}}
{{- if not $last -}}
{{- fail (printf "%s: no file of chart %q that matches %q is an up migration" .helper .context.Chart.Name .glob) -}}
{{- end -}}
{{- $last -}}
{{- end -}}
