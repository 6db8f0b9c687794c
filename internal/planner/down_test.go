package planner

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

// storedMigrations returns what the history table has of versions 6, 7 and 8, which are above
// the files, and of r.
func storedMigrations(r ...source.RecordedMigration) []source.RecordedMigration {
	return append([]source.RecordedMigration{
		{Version: 6, Name: "f", HasUp: true, HasDown: true},
		{Version: 7, Name: "g", HasUp: true, HasDown: true},
		{Version: 8, Name: "h", HasUp: true, HasDown: true},
	}, r...)
}

func appliedEntries(versions ...int) []history.Entry {
	var runs []history.Entry
	for _, v := range versions {
		runs = append(runs, history.Entry{Version: v, Direction: source.Up})
	}
	return runs
}

func TestForDownToFiles_State_PlansOrRefuses(t *testing.T) {
	files := []string{"1_a.up.sql", "1_a.down.sql", "5_b.up.sql", "5_b.down.sql"}
	down := []string{"history:8_h.down.sql>7", "history:7_g.down.sql>6", "history:6_f.down.sql>5"}
	for _, c := range []struct {
		name    string
		stored  []source.RecordedMigration
		state   State
		want    []string
		to      int
		then    []string // what up applies after that
		refusal string
	}{
		{name: "newer", stored: storedMigrations(), state: State{Version: 8, Entries: appliedEntries(1, 5, 6, 7, 8)}, want: down, to: 5},
		{name: "not newer", state: State{Version: 5, Entries: appliedEntries(1, 5)}, to: 5},
		{name: "older", state: State{Version: 1, Entries: appliedEntries(1)}, to: 1},
		{name: "empty", state: State{Version: NoVersion}, to: NoVersion},
		{name: "a pending file is skipped", stored: storedMigrations(), state: State{Version: 8, Entries: appliedEntries(1, 6, 7, 8)},
			want: []string{down[0], down[1], "history:6_f.down.sql>1"}, to: 1, then: []string{"5_b.up.sql>5"}},
		{name: "none of the files is applied", stored: storedMigrations(), state: State{Version: 8, Entries: appliedEntries(6, 7, 8)},
			want: []string{down[0], down[1], "history:6_f.down.sql>-1"}, to: NoVersion, then: []string{"1_a.up.sql>1", "5_b.up.sql>5"}},
		{name: "a hotfix below the newest file stays", stored: storedMigrations(source.RecordedMigration{Version: 3, Name: "x", HasDown: true}), state: State{Version: 8, Entries: appliedEntries(1, 3, 5, 6, 7, 8)}, want: down, to: 5},
		{name: "one has no down", stored: storedMigrations(source.RecordedMigration{Version: 7, Name: "g", NoDown: "for a reason"}), state: State{Version: 8, Entries: appliedEntries(1, 5, 6, 7, 8)},
			refusal: "version 7 (g) cannot be rolled back here: for a reason"},
		{name: "one is irreversible", stored: storedMigrations(source.RecordedMigration{Version: 6, Name: "f", HasDown: true, Irreversible: true}), state: State{Version: 8, Entries: appliedEntries(1, 5, 6, 7, 8)},
			refusal: "version 6 (f) is irreversible"},
		{name: "version is not in the history table", state: State{Version: 8, Entries: appliedEntries(1, 5)}, refusal: "nor in the history table"},
		{name: "rollback is unfinished", stored: storedMigrations(), want: []string{"history:6_f.down.sql>5"}, to: 5,
			state: State{Version: 5, Dirty: true, Entries: append(appliedEntries(1, 5), history.Entry{Version: 6, Name: "f", Direction: source.Down, Outcome: history.PartiallyApplied, StatementsApplied: 1, StatementsTotal: 2})}},
		{name: "migration is partially applied", stored: storedMigrations(), refusal: "version 8 (h) is partially applied (1 of 2 statements)",
			state: State{Version: 8, Dirty: true, Entries: append(appliedEntries(1, 5, 6, 7), history.Entry{Version: 8, Name: "h", Direction: source.Up, Outcome: history.PartiallyApplied, StatementsApplied: 1, StatementsTotal: 2})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			union := catalog(t, files...).WithHistory(c.stored)
			for i, plan := range []func() (Plan, error){
				func() (Plan, error) { return ForDownToFiles(union, c.state, Policy{}) },
				func() (Plan, error) { return ForUp(union, c.state, Policy{OnNewer: DownNewer}) },
			} {
				p, err := plan()
				if c.refusal != "" {
					requireRefusal(t, err, c.refusal)
					continue
				}
				require.NoError(t, err)
				if c.want == nil && len(p.Steps) > 0 {
					assert.Equal(t, source.Up, p.Steps[0].Direction, "up applies the pending files")
					continue
				}
				down := Plan{From: p.From, Steps: p.Steps[:len(InDirection(p.Steps, source.Down))]}
				assert.Equal(t, c.want, steps(down))
				if i == 0 {
					assert.Equal(t, c.to, p.To)
					assert.Len(t, p.Steps, len(down.Steps))
					continue
				}
				assert.Equal(t, c.then, steps(Plan{Steps: p.Steps[len(down.Steps):]}))
				assert.Equal(t, 5, p.To, "up ends at the newest file")
			}
		})
	}
}

func TestForUp_MinCompatibleVersion_RefusesUnderAnyPolicy(t *testing.T) {
	files := catalog(t, "1_a.up.sql", "5_b.up.sql")
	union := files.WithHistory(storedMigrations())
	withMinVersion := func(v uint) State {
		runs := appliedEntries(1, 5, 6, 7, 8)
		runs[3].Stored.MinCompatibleVersion = v
		return State{Version: 8, Entries: runs}
	}
	for _, policy := range []OnNewer{AllowNewer, FailNewer, ""} {
		_, err := ForUp(union, withMinVersion(7), Policy{OnNewer: policy})
		requireRefusal(t, err, "version 7 () is applied and has minimum compatible version 7")
		_, err = ForWait(files, withMinVersion(6), Policy{OnNewer: policy})
		requireRefusal(t, err, "version 7 () is applied and has minimum compatible version 6")
	}
	p, err := ForUp(union, withMinVersion(5), Policy{})
	require.NoError(t, err, "the newest file is 5")
	assert.True(t, p.Newer)
	assert.Equal(t, "6 (), 7 (), 8 ()", Names(p.Ahead))
	p, err = ForUp(union, withMinVersion(7), Policy{OnNewer: DownNewer})
	require.NoError(t, err, "it is rolled back")
	assert.Equal(t, 5, p.To)
	missing, err := ForWait(files, withMinVersion(7), Policy{OnNewer: DownNewer})
	require.NoError(t, err)
	assert.Equal(t, "database is at version 8, ahead of the migration files (5), and is to be rolled back", missing)

	rolledBack := withMinVersion(7)
	rolledBack.Entries[3].Direction = source.Down
	rolledBack.Entries[4].Direction, rolledBack.Version = source.Down, 6
	_, err = ForUp(union, rolledBack, Policy{})
	require.NoError(t, err, "a migration that was rolled back has no minimum compatible version")
}

// The files may belong to another application, unless --on-edited allows edited files.
func TestForDownToFiles_AllFilesEdited_Refuses(t *testing.T) {
	union := catalog(t, "1_a.up.sql", "5_b.up.sql").WithHistory(storedMigrations())
	st := State{Version: 8, Entries: appliedEntries(1, 5, 6, 7, 8), Edited: []uint{1, 5}}
	_, err := ForDownToFiles(union, st, Policy{})
	requireRefusal(t, err, "matches what was applied to this database")
	p, err := ForDownToFiles(union, st, Policy{OnEdited: AllowEdited})
	require.NoError(t, err)
	assert.Len(t, p.Steps, 3)
	st.Edited = []uint{5}
	p, err = ForDownToFiles(union, st, Policy{})
	require.NoError(t, err, "one edited file is no sign of another application")
	assert.Len(t, p.Steps, 3)
}
