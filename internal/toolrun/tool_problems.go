package toolrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/lock"
	"github.com/shiplock/shiplock/internal/postgres"
)

// ToolProblem is a state in an external tool's table, or a lock, with which the tool refuses to
// run.
type ToolProblem struct {
	Tool     string // for example, "Prisma"
	Location string // for example, "public._prisma_migrations"
	Problem  string // for example, "migration 2_x is marked as failed"
	// Resolve is the tool's own command that resolves the problem; empty for Shiplock.
	Resolve string
	Own     bool // the table is Shiplock's version table

	release string // SQL that unlocks the row of a ToolLock
}

// toolTable identifies a tool's table by its columns; in most tools the name is configurable.
type toolTable struct {
	tool    string
	columns []string // all of them, in lower case
	exact   bool     // there are no other columns
	// where is the condition of a row that is a problem. {x} stands for the column x.
	where string
	// release assigns the columns of a row with which the tool locks its migrations, to unlock it.
	release string
	problem func(row map[string]any) (what, resolve string)
}

// toolTables are the tables as the tools create them in PostgreSQL. Django, Alembic, goose, tern,
// Sequelize and node-pg-migrate have no such state: they store a row for each applied migration, or
// use an advisory lock.
var toolTables = []toolTable{
	{
		tool: "Prisma", columns: []string{"id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at", "applied_steps_count"},
		where: "{finished_at} IS NULL AND {rolled_back_at} IS NULL ORDER BY {started_at}",
		problem: func(row map[string]any) (string, string) {
			name := textOf(row["migration_name"])
			return fmt.Sprintf("migration %s is marked as failed (P3009)", name), fmt.Sprintf(
				"run prisma migrate resolve --rolled-back %q if none of its changes remain, or prisma migrate resolve --applied %q if you have completed it", name, name)
		},
	},
	{
		tool: "Liquibase", columns: []string{"id", "locked", "lockgranted", "lockedby"}, exact: true,
		where: "{locked}", release: "{locked} = false, {lockgranted} = NULL, {lockedby} = NULL",
		problem: func(row map[string]any) (string, string) {
			return fmt.Sprintf("the change log is locked by %s since %s", textOf(row["lockedby"]), textOf(row["lockgranted"])), "run liquibase release-locks (before 4.4: releaseLocks)"
		},
	},
	{
		tool: "Flyway", columns: []string{"installed_rank", "version", "description", "type", "script", "checksum", "installed_by", "installed_on", "execution_time", "success"},
		where: "NOT {success} ORDER BY {installed_rank}",
		problem: func(row map[string]any) (string, string) {
			return fmt.Sprintf("migration %s is marked as failed", textOf(row["script"])), "remove its remaining changes, then run flyway repair"
		},
	},
	{
		tool: "golang-migrate", columns: []string{"version", "dirty"}, exact: true,
		where: "{dirty}",
		problem: func(row map[string]any) (string, string) {
			version := textOf(row["version"])
			return fmt.Sprintf("version %s is marked dirty", version), fmt.Sprintf(
				"run migrate force with the version before %s if none of its changes remain (-1 if there is none), or migrate force %s if you have completed it", version, version)
		},
	},
	{
		tool: "Knex", columns: []string{"index", "is_locked"}, exact: true,
		where: "{is_locked} <> 0", release: "{is_locked} = 0",
		problem: func(map[string]any) (string, string) {
			return "the migrations are locked", "run knex migrate:unlock"
		},
	},
}

// toolAdvisoryLocks are the tools' advisory locks by key. They end with their session.
var toolAdvisoryLocks = map[int64]string{
	7241865325823964: "node-pg-migrate",
	72707369:         "Prisma",
}

// maxProblems is the maximum number of problems read from one table.
const maxProblems = 3

// ToolProblems looks in all schemas for states with which tools refuse to run. It only reads, and
// skips tables that the role may not read.
func (tools *Tools) ToolProblems(ctx context.Context) ([]ToolProblem, error) {
	if tools.inLockTransaction() {
		return nil, nil
	}
	held, err := tools.heldToolLocks(ctx)
	if err != nil {
		return nil, err
	}
	marks, err := tools.problemsIn(ctx, toolTables)
	return append(held, marks...), err
}

// inLockTransaction reports whether the session is in the transaction that holds the lock, which an error
// of a query would abort.
func (tools *Tools) inLockTransaction() bool { return tools.session.Shared && tools.session.TxOpen }

// problemsIn looks for problems in the tables of some tools.
func (tools *Tools) problemsIn(ctx context.Context, kinds []toolTable) (out []ToolProblem, err error) {
	for _, t := range kinds {
		tables, err := tools.findToolTables(ctx, t)
		if err != nil {
			return out, err
		}
		for _, found := range tables {
			marks, err := tools.problemsOf(ctx, t, found)
			var lost *postgres.LostError
			if errors.As(err, &lost) || ctx.Err() != nil {
				return out, err
			}
			if err != nil {
				tools.log.Debug("could not read the table of an external tool", "table", found.name, "error", err)
			}
			out = append(out, marks...)
		}
	}
	return out, nil
}

type foundTable struct {
	name, shown string
	columns     map[string]string // quoted name by name in lower case
}

func (tools *Tools) findToolTables(ctx context.Context, t toolTable) ([]foundTable, error) {
	var names []string
	for _, c := range t.columns {
		names = append(names, postgres.LiteralOrNull(c))
	}
	all := "true"
	if t.exact {
		all = fmt.Sprintf("count(*) = %d", len(names))
	}
	rows, err := tools.session.Query(ctx, activity.TimeoutSQL+`SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), n.nspname || '.' || c.relname,
			pg_catalog.json_object_agg(lower(a.attname), pg_catalog.quote_ident(a.attname))::text
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.attnum > 0 AND NOT a.attisdropped
		GROUP BY n.nspname, c.relname
		HAVING count(*) FILTER (WHERE lower(a.attname) IN (`+strings.Join(names, ", ")+`)) = `+fmt.Sprint(len(names))+` AND `+all+` ORDER BY 2 LIMIT 20`)
	if err != nil {
		return nil, tools.session.ClassifyError(ctx, err)
	}
	var out []foundTable
	for rows.Next() {
		var f foundTable
		var columns string
		if err := rows.Scan(&f.name, &f.shown, &columns); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if err := json.Unmarshal([]byte(columns), &f.columns); err != nil {
			return nil, errors.Join(fmt.Errorf("columns of %s: %w", f.shown, err), rows.Close())
		}
		out = append(out, f)
	}
	return out, tools.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

func (tools *Tools) problemsOf(ctx context.Context, t toolTable, found foundTable) ([]ToolProblem, error) {
	where, release := t.where, t.release
	for name, quoted := range found.columns {
		where = strings.ReplaceAll(where, "{"+name+"}", "t."+quoted)
		release = strings.ReplaceAll(release, "{"+name+"}", quoted)
	}
	rows, err := tools.session.Query(ctx, activity.TimeoutSQL+fmt.Sprintf("SELECT pg_catalog.to_json(t)::text FROM %s t WHERE %s LIMIT %d", found.name, where, maxProblems))
	if err != nil {
		return nil, tools.session.ClassifyError(ctx, err)
	}
	var out []ToolProblem
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		raw, row := map[string]any{}, map[string]any{}
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber() // a version may have 14 digits
		if err := decoder.Decode(&raw); err != nil {
			return nil, errors.Join(fmt.Errorf("row of %s: %w", found.shown, err), rows.Close())
		}
		for name, value := range raw {
			row[strings.ToLower(name)] = value
		}
		m := ToolProblem{Tool: t.tool, Location: found.shown}
		m.Problem, m.Resolve = t.problem(row)
		if release != "" {
			m.release = fmt.Sprintf("UPDATE %s t SET %s WHERE pg_catalog.to_json(t)::text = %s", found.name, release, postgres.LiteralOrNull(text))
		}
		if tools.store.HistoryExists && found.shown == tools.store.Table.String() {
			m.Tool, m.Resolve, m.Own = "Shiplock", "", true
		}
		out = append(out, m)
	}
	return out, tools.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// heldToolLocks returns the advisory locks of tools that a session holds.
func (tools *Tools) heldToolLocks(ctx context.Context) ([]ToolProblem, error) {
	var out []ToolProblem
	for key, tool := range toolAdvisoryLocks {
		s, err := lock.Holder(ctx, tools.session, key)
		if err != nil {
			return nil, err
		}
		if s != nil {
			out = append(out, ToolProblem{Tool: tool, Location: fmt.Sprintf("advisory lock %d", key), Problem: "held by " + s.String(),
				Resolve: fmt.Sprintf("wait for this session to end, or terminate it: SELECT pg_terminate_backend(%d);", s.PID)})
		}
	}
	return out, nil
}

func textOf(v any) string {
	if v == nil {
		return "(not set)"
	}
	return fmt.Sprint(v)
}
