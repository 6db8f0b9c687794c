{{/* Each thing is told once, and there is somewhere to tell it. */}}
{{- define "shiplock.validateNotify" -}}
{{- $webhook := .Values.notify.webhook -}}
{{- $secret := $webhook.existingSecret -}}
{{- range $name, $value := dict "url" $webhook.url "token" $webhook.token -}}
{{- if and $value (get $secret.keys $name) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.notify.webhook.%s and .Values.notify.webhook.existingSecret.keys.%s both give the %s: remove one of them" $name $name $name)) -}}
{{- end -}}
{{- end -}}
{{- $keys := compact (list $secret.keys.url $secret.keys.token) -}}
{{- if and $secret.name (not $keys) -}}
{{- include "shiplock.refuse" (list $ ".Values.notify.webhook.existingSecret.name is set, but no key of it: name the key that holds the URL in .Values.notify.webhook.existingSecret.keys.url") -}}
{{- end -}}
{{- if and $keys (not $secret.name) -}}
{{- include "shiplock.refuse" (list $ ".Values.notify.webhook.existingSecret.keys is set, but not which Secret it is in: set .Values.notify.webhook.existingSecret.name") -}}
{{- end -}}
{{- $urls := or $webhook.url $secret.keys.url -}}
{{- if and $webhook.urlFile $urls -}}
{{- include "shiplock.refuse" (list $ "the webhook's URL is given twice, by .Values.notify.webhook.urlFile and by url or existingSecret.keys.url: keep one of them") -}}
{{- end -}}
{{- if and (or $webhook.format $webhook.template $webhook.token $secret.keys.token) (not (or $urls $webhook.urlFile)) -}}
{{- include "shiplock.refuse" (list $ ".Values.notify.webhook says how to tell, but not whom: set .Values.notify.webhook.url, urlFile, or existingSecret.name and keys.url") -}}
{{- end -}}
{{- if ne (eq $webhook.format "template") ($webhook.template | empty | not) -}}
{{- include "shiplock.refuse" (list $ ".Values.notify.webhook.format: template and .Values.notify.webhook.template belong together: set both, or neither") -}}
{{- end -}}
{{- if and .Values.notify.pushgateway.url .Values.notify.pushgateway.existingSecret.name -}}
{{- include "shiplock.refuse" (list $ ".Values.notify.pushgateway.url and .Values.notify.pushgateway.existingSecret.name both give the URL: remove one of them") -}}
{{- end -}}
{{- include "shiplock.validateNotifySecrets" . -}}
{{- include "shiplock.validateNotifyTime" . -}}
{{- include "shiplock.validateEvents" . -}}
{{- end -}}

{{/* Helm deletes the chart's Secret before it makes it anew, whoever made the one of that name. */}}
{{- define "shiplock.validateNotifySecrets" -}}
{{- if include "shiplock.hasSecret" . -}}
{{- $own := include "shiplock.secretName" . -}}
{{- range $path, $name := dict "notify.webhook.existingSecret.name" .Values.notify.webhook.existingSecret.name
  "notify.pushgateway.existingSecret.name" .Values.notify.pushgateway.existingSecret.name -}}
{{- if and $name (eq (tpl $name $) $own) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.%s is %q, which is also the name of the Secret that the chart makes: helm would delete yours, so rename it or set .Values.fullnameOverride" $path $own)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A run that is out of time is told afterwards, and before the Job's deadline removes the pod. */}}
{{- define "shiplock.validateNotifyTime" -}}
{{- $told := include "shiplock.notifyTimeout" . | default "10s" -}}
{{- $left := sub (int .Values.activeDeadlineSeconds) (include "shiplock.seconds" .Values.timeout | int) | int -}}
{{- if and (include "shiplock.sinks" .) (gt (include "shiplock.seconds" $told | int) $left) -}}
{{- include "shiplock.refuse" (list $ (printf ".Values.notify.timeout (%s) must fit between .Values.timeout (%v) and .Values.activeDeadlineSeconds (%d), or nobody would be told of a run that is out of time: raise .Values.activeDeadlineSeconds or lower one of the others" $told .Values.timeout (int .Values.activeDeadlineSeconds))) -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateEvents" -}}
{{- if eq .Values.mode "initContainer" -}}
{{- if and .Values.kubernetesEvents.enabled (not .Values.serviceAccount.name) -}}
{{- include "shiplock.refuse" (list $ ".Values.kubernetesEvents.enabled with .Values.mode: initContainer: the pods are the application's, and so is their account: set .Values.serviceAccount.name to it, and let its token be mounted into them") -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- include "shiplock.refuse" (list $ ".Values.networkPolicy.enabled with .Values.mode: initContainer: the pods are the application's, and so is their NetworkPolicy: leave it off") -}}
{{- end -}}
{{- if .Values.prometheusRule.enabled -}}
{{- include "shiplock.refuse" (list $ ".Values.prometheusRule.enabled with .Values.mode: initContainer: there is no Job to alert of: leave it off") -}}
{{- end -}}
{{- end -}}
{{- end -}}
