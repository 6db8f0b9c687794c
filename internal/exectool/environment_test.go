package exectool

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

func TestSessionEnvironment(t *testing.T) {
	t.Parallel()
	const name, options = "PGAPPNAME=shiplock-exec-1-2", "PGOPTIONS=-c client_connection_check_interval=2000"
	for what, c := range map[string]struct {
		env, want []string
		args      []string
		blind     bool // the server has no such parameter, or a pooler is in between
	}{
		"nothing is set":             {env: []string{"A=b"}, want: []string{"A=b", name, options}},
		"the same server":            {env: []string{"DATABASE_URL=postgres://u:p%40@db:5432/x", "PGHOST=db"}, want: []string{"DATABASE_URL=postgres://u:p%40@db:5432/x", "PGHOST=db", name, options}},
		"a name":                     {env: []string{"PGAPPNAME=mine"}, want: []string{"PGAPPNAME=mine", options}},
		"an empty name":              {env: []string{"PGAPPNAME="}, want: []string{name, options}},
		"the name of an outer run":   {env: []string{"PGAPPNAME=shiplock-exec-3-4"}, want: []string{name, options}},
		"options":                    {env: []string{"PGOPTIONS=-c search_path=a"}, want: []string{name, "PGOPTIONS=-c search_path=a -c client_connection_check_interval=2000"}},
		"options with it":            {env: []string{"PGOPTIONS=-c client_connection_check_interval=0"}, want: []string{"PGOPTIONS=-c client_connection_check_interval=0", name}},
		"a pooler's URL":             {env: []string{"POOLER_URL=postgres://u:a@b@pooler:6432/x"}, want: []string{"POOLER_URL=postgres://u:a@b@pooler:6432/x", name}},
		"another port":               {env: []string{"JDBC_URL=jdbc:postgresql://db:6432/x"}, want: []string{"JDBC_URL=jdbc:postgresql://db:6432/x", name}},
		"another host":               {env: []string{"PGHOST=pooler"}, want: []string{"PGHOST=pooler", name}},
		"empty options":              {env: []string{"PGOPTIONS="}, want: []string{"PGOPTIONS=", name}},
		"a pooler's URL as argument": {args: []string{"psql", "postgresql://u@pooler/x"}, want: []string{name}},
		"the URL as argument":        {args: []string{"psql", "postgresql://u@db/x"}, want: []string{name, options}},
		"no parameter":               {env: nil, want: []string{name}, blind: true},
	} {
		trace := &toolrun.ToolTrace{Application: "shiplock-exec-1-2", Checks: !c.blind}
		assert.Equal(t, c.want, sessionEnvironment(subprocess.Command{Args: c.args, Env: c.env}, trace, "db:5432"), what)
	}
	trace := &toolrun.ToolTrace{Application: "x", Checks: true}
	assert.Len(t, sessionEnvironment(subprocess.Command{}, trace, "a:1,b:2"), 1, "one of several servers may be a pooler")
	assert.Len(t, sessionEnvironment(subprocess.Command{}, trace, "/run/postgresql"), 1)
}

func TestRolesOf(t *testing.T) {
	t.Parallel()
	got := rolesOf("app", subprocess.Command{
		Args: []string{"tool", "-U", "a", "--username=b", "postgres://c%20d:pass@h/x", "jdbc:postgresql://h/x?user=e&password=f"},
		Env:  []string{"PGUSER=g", "DB_USERNAME=h", "USER=root", "URL=postgresql://i@h/x", "DSN=host=h user='j' dbname=x", "USER_AGENT=k"},
	})
	assert.Equal(t, []string{"a", "app", "b", "c d", "e", "g", "h", "i", "j"}, got)
}
