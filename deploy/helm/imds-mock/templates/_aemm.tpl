{{/* The variables of amazon-ec2-metadata-mock for the values below `aemm` that are set. */}}
{{- define "imds-mock.aemmVariables" -}}
{{- $names := dict
  "mockDelaySec" "AEMM_MOCK_DELAY_SEC"
  "mockTriggerTime" "AEMM_MOCK_TRIGGER_TIME"
  "mockIPCount" "AEMM_MOCK_IP_COUNT"
  "imdsv2" "AEMM_IMDSV2"
  "rebalanceDelaySec" "AEMM_REBALANCE_DELAY_SEC"
  "rebalanceTriggerTime" "AEMM_REBALANCE_TRIGGER_TIME"
  "asgTerminationDelaySec" "AEMM_ASG_TERMINATION_DELAY_SEC"
  "asgTerminationTriggerTime" "AEMM_ASG_TERMINATION_TRIGGER_TIME"
  "server.hostname" "AEMM_SERVER_HOSTNAME"
  "spot.action" "AEMM_SPOT_ACTION"
  "spot.time" "AEMM_SPOT_TIME"
  "spot.rebalanceRecTime" "AEMM_SPOT_REBALANCE_REC_TIME"
  "events.code" "AEMM_EVENTS_CODE"
  "events.notAfter" "AEMM_EVENTS_NOT_AFTER"
  "events.notBefore" "AEMM_EVENTS_NOT_BEFORE"
  "events.notBeforeDeadline" "AEMM_EVENTS_NOT_BEFORE_DEADLINE"
  "events.state" "AEMM_EVENTS_STATE" -}}
{{- $variables := list -}}
{{- range $path := keys $names | sortAlpha -}}
{{- $value := $.Values.aemm | default dict -}}
{{- range splitList "." $path -}}
{{- $value = get ($value | default dict) . -}}
{{- end -}}
{{- if $value -}}
{{- $variables = append $variables (dict "name" (get $names $path) "value" (ternary ($value | int | toString) (toString $value) (kindIs "float64" $value))) -}}
{{- end -}}
{{- end -}}
{{- with $variables -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}
