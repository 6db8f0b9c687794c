{{/* Each thing is told once, and there is somewhere to tell it. */}}
{{- define "shiplock.validateNotify" -}}
{{- $webhook := .Values.notify.webhook -}}
{{- $secret := $webhook.existingSecret -}}
{{- range $name, $value := dict "url" $webhook.url "token" $webhook.token -}}
{{- if and $value (get $secret.keys $name) -}}
{{- fail (printf "notify.webhook.%s and notify.webhook.existingSecret.keys.%s both give the %s: remove one of them" $name $name $name) -}}
{{- end -}}
{{- end -}}
{{- $keys := compact (list $secret.keys.url $secret.keys.token) -}}
{{- if and $secret.name (not $keys) -}}
{{- fail "notify.webhook.existingSecret.name is set, but no key of it: name the key that holds the URL in notify.webhook.existingSecret.keys.url" -}}
{{- end -}}
{{- if and $keys (not $secret.name) -}}
{{- fail "notify.webhook.existingSecret.keys is set, but not which Secret it is in: set notify.webhook.existingSecret.name" -}}
{{- end -}}
{{- $urls := or $webhook.url $secret.keys.url -}}
{{- if and $webhook.urlFile $urls -}}
{{- fail "the webhook's URL is given twice, by notify.webhook.urlFile and by url or existingSecret.keys.url: keep one of them" -}}
{{- end -}}
{{- if and (or $webhook.format $webhook.template $webhook.token $secret.keys.token) (not (or $urls $webhook.urlFile)) -}}
{{- fail "notify.webhook says how to tell, but not whom: set notify.webhook.url, urlFile, or existingSecret.name and keys.url" -}}
{{- end -}}
{{- if ne (eq $webhook.format "template") ($webhook.template | empty | not) -}}
{{- fail "notify.webhook.format: template and notify.webhook.template belong together: set both, or neither" -}}
{{- end -}}
{{- if and .Values.notify.pushgateway.url .Values.notify.pushgateway.existingSecret.name -}}
{{- fail "notify.pushgateway.url and notify.pushgateway.existingSecret.name both give the URL: remove one of them" -}}
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
{{- fail (printf "%s is %q, which is also the name of the Secret that the chart makes: helm would delete yours, so rename it or set fullnameOverride" $path $own) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A run that is out of time is told afterwards, and before the Job's deadline removes the pod. */}}
{{- define "shiplock.validateNotifyTime" -}}
{{- $told := include "shiplock.notifyTimeout" . | default "10s" -}}
{{- $left := sub (int .Values.activeDeadlineSeconds) (include "shiplock.seconds" .Values.timeout | int) | int -}}
{{- if and (include "shiplock.sinks" .) (gt (include "shiplock.seconds" $told | int) $left) -}}
{{- fail (printf "notify.timeout (%s) must fit between timeout (%v) and activeDeadlineSeconds (%d), or nobody would be told of a run that is out of time: raise activeDeadlineSeconds or lower one of the others" $told .Values.timeout (int .Values.activeDeadlineSeconds)) -}}
{{- end -}}
{{- end -}}

{{- define "shiplock.validateEvents" -}}
{{- if eq .Values.mode "initContainer" -}}
{{- if and .Values.events.enabled (not .Values.serviceAccountName) -}}
{{- fail "events.enabled with mode: initContainer: the pods are the application's, and so is their account: set serviceAccountName to it, and let its token be mounted into them" -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- fail "networkPolicy.enabled with mode: initContainer: the pods are the application's, and so is their NetworkPolicy: leave it off" -}}
{{- end -}}
{{- if .Values.prometheusRule.enabled -}}
{{- fail "prometheusRule.enabled with mode: initContainer: there is no Job to alert of: leave it off" -}}
{{- end -}}
{{- end -}}
{{- end -}}
