{{/*
The environment variables of notifications, for the container that migrates. URLs and tokens come only from Secrets; a missing Secret or key is
reported immediately, as for the database.
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
A secret variable, from the chart's Secret (if .value is not empty) or from an existing Secret. The migrator reports a missing key of an existing
Secret: shiplock.env lists it in SHIPLOCK_REQUIRED_ENV.
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

{{/* The timeout of notifications in seconds, with the unit; empty for the migrator's default. */}}
{{- define "shiplock.notifyTimeout" -}}
{{- $timeout := .Values.notify.timeout -}}
{{- if not (or (kindIs "invalid" $timeout) (eq (toString $timeout) "")) -}}
{{- include "shiplock.seconds" $timeout -}}s
{{- end -}}
{{- end -}}

{{/* The notification channels, as text; empty if there are none. */}}
{{- define "shiplock.notifyChannels" -}}
{{- $channels := list -}}
{{- with .Values.notify -}}
{{- if or .webhook.url .webhook.urlFile .webhook.existingSecret.keys.url -}}
{{- $channels = append $channels (printf "webhook (%s)" (.webhook.format | default "json")) -}}
{{- end -}}
{{- if or .pushgateway.url .pushgateway.existingSecret.name -}}
{{- $channels = append $channels "Pushgateway" -}}
{{- end -}}
{{- end -}}
{{- if .Values.kubernetesEvents.enabled -}}
{{- $channels = append $channels "Kubernetes Event" -}}
{{- end -}}
{{- join ", " $channels -}}
{{- end -}}

{{/*
The Job and pod of the container, from labels: an ordinary Job's pod template cannot contain the Job's name. Kubernetes before 1.27 does not set
these labels; the Event is then on the pod, as with mode: initContainer.
*/}}
{{- define "shiplock.identityEnv" -}}
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

{{/* The volume with the template of the webhook body, from the chart's Secret. */}}
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
