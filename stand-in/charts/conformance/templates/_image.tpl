{{- /*
The image of a chart's values, or the bundle's. Its tag goes up with the program, so that pods that run get the new one:
here and in lab/bundle.yaml.
*/ -}}
{{- define "conformance.image" -}}
{{ .repository | default "docker.io/library/conformance" }}:{{ .tag | default "5" }}
{{- end }}
