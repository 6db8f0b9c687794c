{{/* Checks that each notification setting is set once and has a channel. */}}
{{- define "shiplock.validateNotify" -}}
{{- $webhook := .Values.notify.webhook -}}
{{- $secret := $webhook.existingSecret -}}
{{- range $name, $value := dict "url" $webhook.url "token" $webhook.token -}}
{{- if and $value (get $secret.keys $name) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.notify.webhook.%s and .Values.notify.webhook.existingSecret.keys.%s are both set: remove one of them" $name $name)) -}}
{{- end -}}
{{- end -}}
{{- $keys := compact (list $secret.keys.url $secret.keys.token) -}}
{{- if and $secret.name (not $keys) -}}
{{- include "shiplock.fail" (list $ ".Values.notify.webhook.existingSecret.name is set, but none of its keys: set .Values.notify.webhook.existingSecret.keys.url to the key that contains the URL") -}}
{{- end -}}
{{- if and $keys (not $secret.name) -}}
{{- include "shiplock.fail" (list $ ".Values.notify.webhook.existingSecret.keys is set, but no Secret: set .Values.notify.webhook.existingSecret.name") -}}
{{- end -}}
{{- $urls := or $webhook.url $secret.keys.url -}}
{{- if and $webhook.urlFile $urls -}}
{{- include "shiplock.fail" (list $ "the webhook URL is set twice, by .Values.notify.webhook.urlFile and by url or existingSecret.keys.url: keep one of them") -}}
{{- end -}}
{{- if and (or $webhook.format $webhook.template $webhook.token $secret.keys.token) (not (or $urls $webhook.urlFile)) -}}
{{- include "shiplock.fail" (list $ ".Values.notify.webhook has no URL: set .Values.notify.webhook.url, urlFile, or existingSecret.name and existingSecret.keys.url") -}}
{{- end -}}
{{- if ne (eq $webhook.format "template") ($webhook.template | empty | not) -}}
{{- include "shiplock.fail" (list $ ".Values.notify.webhook.format: template and .Values.notify.webhook.template require each other: set both, or neither") -}}
{{- end -}}
{{- if and .Values.notify.pushgateway.url .Values.notify.pushgateway.existingSecret.name -}}
{{- include "shiplock.fail" (list $ ".Values.notify.pushgateway.url and .Values.notify.pushgateway.existingSecret.name are both set: remove one of them") -}}
{{- end -}}
{{- include "shiplock.validateNotifySecrets" . -}}
{{- include "shiplock.validateNotifyTime" . -}}
{{- include "shiplock.validateEvents" . -}}
{{- end -}}

{{/* Helm deletes the Secret with the name of the chart's Secret before creating it, even if the chart did not create it. */}}
{{- define "shiplock.validateNotifySecrets" -}}
{{- if include "shiplock.hasSecret" . -}}
{{- $own := include "shiplock.secretName" . -}}
{{- range $path, $name := dict "notify.webhook.existingSecret.name" .Values.notify.webhook.existingSecret.name
  "notify.pushgateway.existingSecret.name" .Values.notify.pushgateway.existingSecret.name -}}
{{- if and $name (eq (tpl $name $) $own) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.%s is %q, which is also the name of the Secret that the chart creates, and Helm would delete yours: rename it, or set .Values.fullnameOverride" $path $own)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Notifications about a timed-out run are sent after its timeout and before the Job's deadline removes the pod. */}}
{{- define "shiplock.validateNotifyTime" -}}
{{- $delivery := include "shiplock.notifyTimeout" . | default "10s" -}}
{{- $left := sub (int .Values.activeDeadlineSeconds) (include "shiplock.seconds" .Values.timeout | int) | int -}}
{{- if and (include "shiplock.notifyChannels" .) (gt (include "shiplock.seconds" $delivery | int) $left) -}}
{{- include "shiplock.fail" (list $ (printf ".Values.notify.timeout (%s) must fit between .Values.timeout (%v) and .Values.activeDeadlineSeconds (%d), otherwise a timeout would not be reported: increase .Values.activeDeadlineSeconds, or decrease one of the others" $delivery .Values.timeout (int .Values.activeDeadlineSeconds))) -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateEvents" -}}
{{- if eq .Values.mode "initContainer" -}}
{{- if and .Values.kubernetesEvents.enabled (not .Values.serviceAccount.name) -}}
{{- include "shiplock.fail" (list $ ".Values.kubernetesEvents.enabled with .Values.mode: initContainer requires the ServiceAccount of the application's pods: set .Values.serviceAccount.name to it, and mount its token into the pods") -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- include "shiplock.fail" (list $ ".Values.networkPolicy.enabled is not supported with .Values.mode: initContainer, because the pods belong to the application. Set it to false") -}}
{{- end -}}
{{- if .Values.prometheusRule.enabled -}}
{{- include "shiplock.fail" (list $ ".Values.prometheusRule.enabled is not supported with .Values.mode: initContainer, because there is no Job. Set it to false") -}}
{{- end -}}
{{- end -}}
{{- end -}}
