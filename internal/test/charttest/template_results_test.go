package charttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The result of a template is validated like a value without a template.
func TestTemplates_InvalidResult_IsRefused(t *testing.T) {
	t.Parallel()
	const rest = ", dbname: booking, username: owner}"
	for values, want := range map[string]string{
		"database: {existingSecret: {name: '{{ .Values.global.x }}', keys: {url: u}}}":                       "database.existingSecret.name is a template with an empty result",
		"database: {url: x, ca: {secretName: '{{ .Values.global.x }}'}}":                                     "database.ca.secretName is a template with an empty result",
		"image: {repository: b, tag: v2}\ndatabase: {url: x, ca: {configMapName: '{{ .Values.global.x }}'}}": "database.ca.configMapName is a template with an empty result",
		withURL + "migrations: {existingConfigMap: '{{ .Values.global.x }}'}":                                "migrations.existingConfigMap is a template with an empty result",
		"database: {host: ' db'" + rest:                                                                      "not a valid host name or address",
		"database: {host: 'a, b'" + rest:                                                                     "not a valid host name or address",
		"database: {host: 'a, {{ .Release.Name }}'" + rest:                                                   "not a valid host name or address",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			_, err := Render(chartDir, Options{Values: parse(t, values)})
			require.ErrorContains(t, err, want)
		})
	}
}
