package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// specialCharacters are valid passwords with characters that are special in templates, YAML, Kubernetes or URLs.
var specialCharacters = []string{
	`p@ss:/?#[]%&=+ word`, `'single' and "double"`, `back\slash \n`, `$(PGHOST)`, `$$(PGHOST) $$ $`, `$(`, `{{ .Release.Name }}`,
	` leading and trailing `, "tab\tnewline\n", `# not a comment`, `- not: a list`, `null`, `true`, `0123`, `1e5`, `~`, `ünïcødé 🔒`, `!!binary x`, `<&>`,
}

// environment returns the environment of the container: values from the rendered Secret, and expanded plain values.
// The value of a variable from an existing Secret is "secret/key".
func environment(t *testing.T, r *Rendered) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, v := range migrator(t, job(t, r, "")).Env {
		if v.ValueFrom == nil {
			env[v.Name] = expand(v.Value, env)
			continue
		}
		if field := v.ValueFrom.FieldRef; field != nil {
			env[v.Name] = field.FieldPath
			continue
		}
		ref := v.ValueFrom.SecretKeyRef
		if ref.Optional != nil && *ref.Optional {
			env[v.Name] = ref.Name + "/" + ref.Key
			continue
		}
		secret, err := Find[*corev1.Secret](r, ref.Name)
		require.NoError(t, err)
		require.Contains(t, secret.Data, ref.Key)
		env[v.Name] = string(secret.Data[ref.Key])
	}
	return env
}

// expand expands a value like Kubernetes: "$$" is "$", and "$(NAME)" is the value of that variable, if it exists.
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
func expand(value string, env map[string]string) string {
	var out strings.Builder
	for value != "" {
		if rest, ok := strings.CutPrefix(value, "$$"); ok {
			out.WriteByte('$')
			value = rest
			continue
		}
		if name, rest, ok := strings.Cut(strings.TrimPrefix(value, "$("), ")"); ok && strings.HasPrefix(value, "$(") {
			if v, known := env[name]; known {
				out.WriteString(v)
			} else {
				out.WriteString("$(" + name + ")")
			}
			value = rest
			continue
		}
		out.WriteByte(value[0])
		value = value[1:]
	}
	return out.String()
}

func TestDatabase_SpecialCharacters_ArePreserved(t *testing.T) {
	t.Parallel()
	for _, s := range specialCharacters {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			name := s
			if strings.Contains(s, "{{") {
				name = "booking" // dbname and username may be templates: TestTemplates_Database_AreRendered
			}
			parts, err := yaml.Marshal(map[string]any{"database": map[string]any{"host": "db", "dbname": name, "username": name, "password": s}})
			require.NoError(t, err)
			env := environment(t, render(t, string(parts)))
			assert.Equal(t, name, env["PGDATABASE"])
			assert.Equal(t, name, env["PGUSER"])
			assert.Equal(t, s, env["PGPASSWORD"])
			assert.NotContains(t, env, "DATABASE_URL")

			url, err := yaml.Marshal(map[string]any{"database": map[string]any{"url": s}})
			require.NoError(t, err)
			assert.Equal(t, s, environment(t, render(t, string(url)))["DATABASE_URL"])
		})
	}
}

func TestDatabase_Values_SetEnvironment(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values string
		want   map[string]string
	}{
		"port as a number": {"database: {host: db, port: 5433, dbname: shop, username: u}", map[string]string{"PGHOST": "db", "PGPORT": "5433", "PGDATABASE": "shop", "PGUSER": "u"}},
		"ports as text":    {"database: {host: 'a,b', port: '5432,5433', dbname: shop, username: u}", map[string]string{"PGHOST": "a,b", "PGPORT": "5432,5433", "PGDATABASE": "shop", "PGUSER": "u"}},
		"all from a Secret": {"database: {existingSecret: {name: s, keys: {host: h, port: po, dbname: shop, username: u, password: p}}}", map[string]string{
			"PGHOST": "s/h", "PGPORT": "s/po", "PGDATABASE": "s/shop", "PGUSER": "s/u", "PGPASSWORD": "s/p",
			"SHIPLOCK_REQUIRED_ENV": "PGDATABASE=s/shop PGHOST=s/h PGPASSWORD=s/p PGPORT=s/po PGUSER=s/u"}},
		"password from a Secret": {"database: {host: db, dbname: shop, username: u, existingSecret: {name: '{{ .Release.Name }}-db', keys: {password: p}}}", map[string]string{
			"PGHOST": "db", "PGDATABASE": "shop", "PGUSER": "u", "PGPASSWORD": "booking-db/p", "SHIPLOCK_REQUIRED_ENV": "PGPASSWORD=booking-db/p"}},
		"TLS with a URL": {"database: {url: x, sslMode: verify-full, ca: {secretName: ca}}", map[string]string{"DATABASE_URL": "x", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/shiplock/ca/ca.crt"}},
		"password by command": {"database: {host: db, dbname: shop, username: u, role: owner, passwordCommand: [/bin/token, --for, \"it's $(PGHOST)\"]}", map[string]string{
			"PGHOST": "db", "PGDATABASE": "shop", "PGUSER": "u", "SHIPLOCK_ROLE": "owner", "SHIPLOCK_PASSWORD_COMMAND": `/bin/token --for 'it'\''s $(PGHOST)'`}},
		"password in a file": {"database: {host: db, dbname: shop, username: u, passwordFile: /run/p}", map[string]string{"PGHOST": "db", "PGDATABASE": "shop", "PGUSER": "u", "SHIPLOCK_PASSWORD_FILE": "/run/p"}},
		"URL and a file":     {"database: {url: 'postgres://u@db/x', passwordFile: /run/p}", map[string]string{"DATABASE_URL": "postgres://u@db/x", "SHIPLOCK_PASSWORD_FILE": "/run/p"}},
		"URL in a file":      {"database: {urlFile: /run/url}", map[string]string{"SHIPLOCK_DATABASE_URL_FILE": "/run/url"}},
		"by argument":        {"extraArgs: [--database-url=$(X)]", map[string]string{}},
		"by service":         {"extraEnv: [{name: PGSERVICE, value: shop}]", map[string]string{"PGSERVICE": "shop"}},
		"by envFrom":         {"extraEnvFrom: [{secretRef: {name: s}}]", map[string]string{}},
		"user by env":        {"database: {host: db, dbname: shop}\nextraEnv: [{name: PGUSER, value: u}]", map[string]string{"PGHOST": "db", "PGDATABASE": "shop", "PGUSER": "u"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environment(t, render(t, tc.values))
			for _, setting := range []string{"SHIPLOCK_SOURCE", "SHIPLOCK_WAIT_FOR_DB", "SHIPLOCK_LOCK_WAIT", "SHIPLOCK_LOCK_TIMEOUT", "SHIPLOCK_TIMEOUT",
				"SHIPLOCK_RELEASE", "SHIPLOCK_REVISION", "SHIPLOCK_NAMESPACE", "SHIPLOCK_MODE", "SHIPLOCK_JOB", "SHIPLOCK_TERMINATION_LOG"} {
				assert.NotEmpty(t, env[setting], setting)
				delete(env, setting)
			}
			assert.Equal(t, tc.want, env)
		})
	}
}

// The chart renders a Secret only if the values contain secrets.
func TestSecret_Values_ContainsSecretsOnly(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]string{
		withURL: {"url"},
		"database: {host: h, dbname: shop, username: u, password: p}":      {"password"},
		"database: {host: h, dbname: shop, username: u}":                   nil,
		"database: {existingSecret: {name: booking-db, keys: {url: URL}}}": nil,
	} {
		objects, err := render(t, values).Objects()
		require.NoError(t, err)
		var keys []string
		for _, o := range objects {
			if s, ok := o.(*corev1.Secret); ok {
				for k := range s.Data {
					keys = append(keys, k)
				}
			}
		}
		assert.Equal(t, want, keys, values)
	}
}

// An existing Secret is a name, or a map with the name and the keys.
func TestDatabase_ExistingSecret_NameOrMap(t *testing.T) {
	t.Parallel()
	want := map[string]string{"PGHOST": "db", "PGDATABASE": "shop", "PGUSER": "booking-db/u", "PGPASSWORD": "booking-db/p", "SHIPLOCK_REQUIRED_ENV": "PGPASSWORD=booking-db/p PGUSER=booking-db/u"}
	for _, secret := range []string{
		"existingSecret: '{{ .Release.Name }}-db', secretKeys: {username: u, password: p}",
		"existingSecret: {name: '{{ .Release.Name }}-db', keys: {username: u, password: p}}",
		"existingSecret: {name: '{{ .Release.Name }}-db'}, secretKeys: {username: u, password: p}",
		"existingSecret: {name: '{{ .Release.Name }}-db', keys: {url: ''}}, secretKeys: {username: u, password: p}",
	} {
		env := environment(t, render(t, "database: {host: db, dbname: shop, "+secret+"}"))
		for name, value := range want {
			assert.Equal(t, value, env[name], secret)
		}
	}
	for values, want := range map[string]string{
		"existingSecret: {name: s, keys: {url: u}}, secretKeys: {url: v}": "database.existingSecret.keys and database.secretKeys are both set: remove one of them",
		"existingSecret: s": "database.existingSecret is set, but none of its keys: set database.secretKeys.url to the key that contains a connection URL",
		"host: db, dbname: a, username: b, secretKeys: {password: p}":                                 "database.secretKeys.password is set, but no Secret: set database.existingSecret to the name of the Secret",
		"host: db, dbname: a, username: b, password: x, existingSecret: s, secretKeys: {password: p}": "database.password and database.secretKeys.password are both set: remove one of them",
		"existingSecret: '{{ .Values.global.x }}', secretKeys: {url: u}":                              "database.existingSecret is a template with an empty result",
		"existingSecret: s, secretKeys: {user: u}":                                                    "did you mean database.secretKeys.username?",
		"existingSecret: [s]": "at '/database/existingSecret': got array, want null or string or object",
	} {
		_, err := Render(chartDir, Options{Values: parse(t, "image: "+ownImage+"\ndatabase: {"+values+"}")})
		require.ErrorContains(t, err, want, values)
	}
}
