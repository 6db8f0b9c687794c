{{/*
Where the outcome is told, as variables of the container that migrates. URLs and tokens come from Secrets only; a Secret or key
of the user's that is missing is reported at once, as with the database's.
*/}}
{{- define "shiplock.notifyEnv" -}}
{{- $webhook := .Values.notify.webhook -}}
{{- $gateway := .Values.notify.pushgateway -}}
{{- include "shiplock.secretVariable" (dict "context" . "name" "SHIPLOCK_WEBHOOK_URL" "value" $webhook.url "key" "webhook-url"
  "secret" $webhook.existingSecret.name "secretKey" $webhook.existingSecret.keys.url) -}}
{{- include "shiplock.secretVariable" (dict "context" . "name" "SHIPLOCK_WEBHOOK_TOKEN" "value" $webhook.token "key" "webhook-token"
  "secret" $webhook.existingSecret.name "secretKey" $webhook.existingSecret.keys.token) -}}
{{- include "shiplock.secretVariable" (dict "context" . "name" "SHIPLOCK_PUSHGATEWAY_URL" "value" $gateway.url "key" "pushgateway-url"
  "secret" $gateway.existingSecret.name "secretKey" $gateway.existingSecret.key) -}}
{{- range list
  (list "SHIPLOCK_WEBHOOK_URL_FILE" $webhook.urlFile)
  (list "SHIPLOCK_WEBHOOK_FORMAT" $webhook.format)
  (list "SHIPLOCK_WEBHOOK_TEMPLATE" ($webhook.template | empty | ternary "" "/etc/shiplock/notify/webhook-template"))
  (list "SHIPLOCK_NOTIFY_SUCCESS" (eq (toString .Values.notify.success) "true" | ternary "true" ""))
  (list "SHIPLOCK_NOTIFY_TIMEOUT" (include "shiplock.notifyTimeout" .))
  (list "SHIPLOCK_KUBERNETES_EVENT" (.Values.kubernetesEvents.enabled | ternary "true" ""))
-}}
{{- if last . }}
- name: {{ first . }}
  value: {{ include "shiplock.envValue" (last .) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
One secret variable, from the Secret of the chart (.value is then not empty) or a key of the user's. When the user's is missing
the migrator says so: shiplock.env lists it in SHIPLOCK_REQUIRED_ENV.
*/}}
{{- define "shiplock.secretVariable" -}}
{{- $own := .value | empty | not -}}
{{- if or $own (and .secret .secretKey) }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $own | ternary (include "shiplock.secretName" .context) (tpl .secret .context) | toJson }}
      key: {{ $own | ternary .key .secretKey | toJson }}
      {{- if not $own }}
      optional: true
      {{- end }}
{{- end -}}
{{- end -}}

{{- define "shiplock.notifyRequired" -}}
{{- $webhook := .Values.notify.webhook -}}
{{- $gateway := .Values.notify.pushgateway.existingSecret -}}
{{- $required := list -}}
{{- range list
  (list "SHIPLOCK_WEBHOOK_URL" $webhook.existingSecret.name $webhook.existingSecret.keys.url)
  (list "SHIPLOCK_WEBHOOK_TOKEN" $webhook.existingSecret.name $webhook.existingSecret.keys.token)
  (list "SHIPLOCK_PUSHGATEWAY_URL" $gateway.name $gateway.key)
-}}
{{- if and (index . 1) (index . 2) -}}
{{- $required = append $required (printf "%s=%s/%s" (index . 0) (tpl (index . 1) $) (index . 2)) -}}
{{- end -}}
{{- end -}}
{{- join " " $required -}}
{{- end -}}

{{/* Whole seconds with their unit; empty leaves it to the migrator. */}}
{{- define "shiplock.notifyTimeout" -}}
{{- $timeout := .Values.notify.timeout -}}
{{- if not (or (kindIs "invalid" $timeout) (eq (toString $timeout) "")) -}}
{{- include "shiplock.seconds" $timeout -}}s
{{- end -}}
{{- end -}}

{{/* What network the outcome is told by; empty if by none. */}}
{{- define "shiplock.sinks" -}}
{{- $sinks := list -}}
{{- with .Values.notify -}}
{{- if or .webhook.url .webhook.urlFile .webhook.existingSecret.keys.url -}}
{{- $sinks = append $sinks (printf "a webhook (%s)" (.webhook.format | default "json")) -}}
{{- end -}}
{{- if or .pushgateway.url .pushgateway.existingSecret.name -}}
{{- $sinks = append $sinks "a Pushgateway" -}}
{{- end -}}
{{- end -}}
{{- if .Values.kubernetesEvents.enabled -}}
{{- $sinks = append $sinks "a Kubernetes Event" -}}
{{- end -}}
{{- join ", " $sinks -}}
{{- end -}}

{{/*
Who the container is to Kubernetes: the name of an ordinary Job is not known in its own pod's template. Kubernetes before 1.27 does not
have these labels; the Event is then on the pod, as it is where pods of the application migrate.
*/}}
{{- define "shiplock.whoEnv" -}}
{{- $fields := dict -}}
{{- $inJob := or (ne .Values.mode "initContainer") (get . "Purpose") -}}
{{- if $inJob -}}
{{- $_ := set $fields "SHIPLOCK_JOB" "metadata.labels['batch.kubernetes.io/job-name']" -}}
{{- end -}}
{{- if .Values.kubernetesEvents.enabled -}}
{{- $_ := set $fields "SHIPLOCK_POD_UID" "metadata.uid" -}}
{{- if $inJob -}}
{{- $_ := set $fields "SHIPLOCK_JOB_UID" "metadata.labels['batch.kubernetes.io/controller-uid']" -}}
{{- end -}}
{{- end -}}
{{- range $name, $path := $fields }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $path }}
{{- end -}}
{{- end -}}

{{/* The template of a webhook's body, out of the chart's own Secret. */}}
{{- define "shiplock.notifyVolume" -}}
{{- if .Values.notify.webhook.template -}}
- name: {{ get . "Prefix" }}notify
  secret:
    secretName: {{ include "shiplock.secretName" . }}
    items:
      - key: webhook-template
        path: webhook-template
{{- end -}}
{{- end -}}

{{- define "shiplock.notifyVolumeMount" -}}
{{- if .Values.notify.webhook.template -}}
- name: {{ get . "Prefix" }}notify
  mountPath: /etc/shiplock/notify
  readOnly: true
{{- end -}}
{{- end -}}
