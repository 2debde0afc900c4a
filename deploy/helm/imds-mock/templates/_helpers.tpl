{{- define "imds-mock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "imds-mock.fullname" -}}
{{- $name := include "imds-mock.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "imds-mock.selectorLabels" -}}
app.kubernetes.io/name: {{ include "imds-mock.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "imds-mock.labels" -}}
{{ include "imds-mock.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* amazon-ec2-metadata-mock's values that are set and that this chart does not have. */}}
{{- define "imds-mock.aemmKeys" -}}
{{- $found := list -}}
{{- range list "aemm" "configMap" "configMapFileName" "linuxAnnotations" "linuxArguments" "linuxNodeSelector" "linuxPodAnnotations" "linuxTolerations" "linuxUpdateStrategy" "namespace" "nodeSelectorTermsArch" "nodeSelectorTermsOs" "rbac" "targetNodeOs" "test" "windowsAnnotations" "windowsArguments" "windowsNodeSelector" "windowsPodAnnotations" "windowsTolerations" "windowsUpdateStrategy" -}}
{{- if hasKey $.Values . -}}{{- $found = append $found . -}}{{- end -}}
{{- end -}}
{{- join " " $found -}}
{{- end -}}

{{/* "true" with amazon-ec2-metadata-mock's compatibility, otherwise empty. */}}
{{- define "imds-mock.dropIn" -}}
{{- if .Values.compatibility -}}
{{- if eq .Values.compatibility "aemm" -}}true{{- end -}}
{{- else if include "imds-mock.aemmKeys" . -}}
true
{{- end -}}
{{- end -}}

{{/* "true" if the values name amazon-ec2-metadata-mock's own image, as a copy of its values file does. */}}
{{- define "imds-mock.aemmImage" -}}
{{- if has .Values.image.repository (list "amazon/amazon-ec2-metadata-mock" "public.ecr.aws/aws-ec2/amazon-ec2-metadata-mock") -}}true{{- end -}}
{{- end -}}

{{- define "imds-mock.image" -}}
{{- if include "imds-mock.aemmImage" . -}}
imds-mock:{{ .Chart.AppVersion }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "imds-mock.serviceName" -}}
{{- if .Values.serviceName -}}
{{- .Values.serviceName -}}
{{- else if include "imds-mock.dropIn" . -}}
amazon-ec2-metadata-mock-service
{{- else -}}
{{- include "imds-mock.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "imds-mock.servicePort" -}}
{{- if .Values.servicePort -}}
{{- .Values.servicePort | int -}}
{{- else -}}
{{- ternary 1338 80 (eq (include "imds-mock.dropIn" .) "true") -}}
{{- end -}}
{{- end -}}

{{- define "imds-mock.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "imds-mock.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Name of the Secret with the control plane's token; empty without a token. */}}
{{- define "imds-mock.secretName" -}}
{{- if not .Values.control.enabled -}}
{{- else if .Values.control.existingSecret -}}
{{- .Values.control.existingSecret -}}
{{- else if .Values.control.token -}}
{{- include "imds-mock.fullname" . }}-control
{{- end -}}
{{- end -}}

{{- define "imds-mock.secretKey" -}}
{{- ternary .Values.control.existingSecretKey "token" (ne .Values.control.existingSecret "") -}}
{{- end -}}

{{/* Name of the ConfigMap with the mock's configuration; empty without one. */}}
{{- define "imds-mock.configMapName" -}}
{{- if .Values.existingConfigMap -}}
{{- .Values.existingConfigMap -}}
{{- else if .Values.config -}}
{{- include "imds-mock.fullname" . }}-config
{{- end -}}
{{- end -}}

{{- define "imds-mock.configKey" -}}
{{- ternary .Values.existingConfigMapKey "mock.json" (ne .Values.existingConfigMap "") -}}
{{- end -}}
