package charttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/program"
)

func TestTemplates_Database_AreRendered(t *testing.T) {
	t.Parallel()
	env := environment(t, render(t, `
global: {db: {port: 6432, name: shop}}
database:
  host: '{{ .Release.Name }}-a,{{ .Release.Name }}-b'
  port: '{{ .Values.global.db.port }}'
  dbname: " {{ .Values.global.db.name }} "
  username: '{{ .Release.Namespace }}_owner'
  role: '{{ .Values.database.dbname | default "x" | len }}_role'
  password: 'a{{ .Release.Name }}{{'
`))
	assert.Equal(t, []string{"booking-a,booking-b", "6432", "shop", "shop_owner", "a{{ .Release.Name }}{{"},
		[]string{env["PGHOST"], env["PGPORT"], env["PGDATABASE"], env["PGUSER"], env["PGPASSWORD"]})
	assert.Regexp(t, "^[0-9]+_role$", env["SHIPLOCK_ROLE"])

	policy := render(t, "networkPolicy: {enabled: true}\ndatabase: {host: db, port: '{{ print 64 32 | replace \" \" \"\" }}', dbname: shop, username: u}").Template()
	assert.Contains(t, policy, "port: 6432")
}

func TestTemplates_Image_AreRendered(t *testing.T) {
	t.Parallel()
	const values = "global: {image: {registry: reg.example.com, name: shop/app, tag: v2, digest: 'sha256:" + digest + "'}}\n"
	const image = "{registry: '{{ .Values.global.image.registry }}', repository: '{{ .Values.global.image.name }}-x', tag: '{{ .Values.global.image.tag }}', digest: '{{ .Values.global.image.digest }}'}"
	const want = "reg.example.com/shop/app-x:v2@sha256:" + digest
	r := render(t, withURL+values+"image: "+image+"\nmigrations: {image: "+image+"}")
	pod := job(t, r, "").Spec.Template.Spec
	assert.Equal(t, want, pod.Containers[0].Image)
	assert.Equal(t, want, pod.Volumes[0].Image.Reference)
	r = render(t, withURL+values+"tool: {image: "+image+", command: [c]}")
	assert.Equal(t, want, migrator(t, job(t, r, "")).Image)

	waiting, err := renderPods(t, "waitForMigrations", "", mergeYAML(t, withExistingSecret, "image: {tag: '{{ .Release.Name }}-1'}"))
	require.NoError(t, err)
	assert.Equal(t, "shiplock/migrator:booking-1", waiting.InitContainers[0].Image)
}

// Helm preserves whole numbers of --set. Numbers in files may have been changed by YAML.
func TestImageTag_Number_SetIsPreserved(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte(withURL), 0o644))
	for _, name := range []string{"helm3", "helm4"} {
		helm := program.HackTool(t, name)
		for set, want := range map[string]string{"123": "123", "20241101": "20241101", "9007199254740993": "9007199254740993", "1.10": "1.10", "1e3": "1e3", "0123": "0123"} {
			t.Run(name+"/"+set, func(t *testing.T) {
				t.Parallel()
				out := run(t, ".", helm, "template", "booking", chartDir, "--kube-version", KubeVersion, "-f", file, "--set", "image.tag="+set)
				assert.Contains(t, out, `image: "shop/migrations:`+want+`"`)
			})
		}
	}
	for _, path := range []string{"image", "migrations.image", "tool.image"} {
		for _, tag := range []string{"1.10", "1e3", "123", "0123", "20241101", "-1"} {
			values := merge(parse(t, withURL+"migrations: {image: {repository: a, tag: b}}"), parse(t, toYAML(t, nested(path+".repository", "a"))))
			if path == "tool.image" {
				values = merge(parse(t, withURL+"tool: {command: [c]}"), nested("tool.image.repository", "a"))
			}
			_, err := Render(chartDir, Options{Values: merge(values, parse(t, strings.ReplaceAll(toYAML(t, nested(path+".tag", "TAG")), "TAG", tag)))})
			require.ErrorContains(t, err, path+".tag must be a string, but is the number ", tag)
			assert.ErrorContains(t, err, "quote the tag, or use --set-string "+path+".tag=")
		}
	}
}

func TestAddress_Invalid_IsRefused(t *testing.T) {
	t.Parallel()
	const rest = ", dbname: booking, username: owner}"
	for values, want := range map[string]string{
		"database: {host: 'db:5432'" + rest:                                                `database.host is "db:5432": set it to db, and set the port in database.port`,
		"database: {host: 'db:'" + rest:                                                    `set it to db`,
		"database: {host: 'a,b:5433'" + rest:                                               `database.host is "b:5433"`,
		"database: {host: '{{ .Release.Name }}:5432'" + rest:                               `database.host is "booking:5432": set it to booking`,
		"database: {host: '[::1]:5432'" + rest:                                             "remove the brackets",
		"database: {host: '[::1]'" + rest:                                                  "remove the brackets",
		"database: {host: 'db:5432:x'" + rest:                                              "which is not a valid host name or address",
		"database: {host: 'postgres://db'" + rest:                                          "database.host is a URL",
		"database: {host: 'mysql://db'" + rest:                                             "database.host is a URL",
		"database: {host: 'jdbc:postgresql:db'" + rest:                                     "database.host is a URL",
		"database: {host: 'tcp://10.0.0.1:5432'" + rest:                                    "database.host is a URL",
		"database: {host: 'owner@db'" + rest:                                               "database.host contains a user name",
		"database: {host: 'db/booking'" + rest:                                             "set database.dbname to the database name",
		"database: {host: 'a b'" + rest:                                                    "not a valid host name or address",
		"database: {host: '{{ .Values.global.host }}'" + rest:                              "database.host is a template with an empty result",
		"database: {host: db, dbname: '{{ .Values.global.x }}', username: u}":              "database.dbname is a template with an empty result",
		"database: {host: db, dbname: 'postgres://db/x', username: u}":                     "database.dbname is a URL",
		"database: {host: db, port: '{{ 70000 }}'" + rest:                                  `database.port is "70000"`,
		"database: {host: db, port: '5432,0'" + rest:                                       `database.port is "0"`,
		"database: {host: db, port: '{{ .Release.Name }}'" + rest:                          `database.port is "booking"`,
		"database: {url: 'mysql://u:secret@db/x'}":                                         "database.url does not begin with postgres:// or postgresql://",
		"database: {url: 'jdbc:postgresql://db/x'}":                                        "database.url does not begin with postgres://",
		"database: {url: 'pgx5://u:secret@db/x'}":                                          "database.url does not begin with postgres://",
		"database: {url: 'postgresql+psycopg://u:secret@db/x'}":                            "database.url does not begin with postgres://",
		"database: {url: 'postgres://{{ .Release.Name }}-db/x'}":                           "database.url contains {{, but URLs are not templates",
		"extraEnv: [{name: DATABASE_URL, value: 'mysql://u:secret@db/x'}]":                 "DATABASE_URL in extraEnv does not begin with postgres://",
		"extraEnv: [{name: PGHOST, value: 'db:5432'}]\ndatabase: {dbname: a, username: b}": "PGHOST in extraEnv is \"db:5432\": set it to db, and set the port in PGPORT",
		withURL + "image: {repository: 'https://reg/a'}":                                   "image.repository is \"https://reg/a\": remove https://",
		withURL + "image: {registry: 'docker://reg', tag: v1}":                             "image.registry is \"docker://reg\": remove docker://",
		withURL + "image: {tag: 'v1:x'}":                                                   `image.tag is "v1:x", which is not a valid image tag`,
		withURL + "image: {tag: '{{ .Values.global.tag }}'}":                               "image.tag is a template with an empty result",
		withURL + "global: {t: 20241101}\nimage: {tag: '{{ .Values.global.t }}'}":          "If a template reads a number, quote the number",
		withURL + "image: {digest: '{{ .Release.Name }}'}":                                 `image.digest is "booking"`,
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			_, err := Render(chartDir, Options{Values: parse(t, values)})
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

// Valid hosts and URLs that resemble the invalid ones.
func TestAddress_Valid_IsAccepted(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"db", "db.shop.svc.cluster.local.", "my_db", "10.1.2.3", "::1", "fe80::1%eth0", "/run/postgresql", "@sock", "a,b", "::1,10.0.0.1,/run/x"} {
		assert.Equal(t, host, environment(t, render(t, toYAML(t, map[string]any{"database": map[string]any{"host": host, "dbname": "n", "username": "u"}})))["PGHOST"])
	}
	for _, url := range []string{"postgres://u:p@db/x", "postgresql://db/x", "postgres://u:{{p}}@db/x?a={{", "host=db dbname=x password=a://b", "postgres://u:a/b@c://d@db/x"} {
		assert.Equal(t, url, environment(t, render(t, toYAML(t, map[string]any{"database": map[string]any{"url": url}})))["DATABASE_URL"])
	}
}
