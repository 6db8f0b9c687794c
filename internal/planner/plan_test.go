package planner

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

func catalog(t *testing.T, files ...string) *source.Catalog {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range files {
		fsys[f] = &fstest.MapFile{}
	}
	c, err := source.Read(fsys, "m", source.FailUnrecognized)
	require.NoError(t, err)
	return c
}

var threeMigrations = []string{
	"1_a.up.sql", "1_a.down.sql", "5_b.up.sql", "5_b.down.sql", "20260101000000_c.up.sql", "20260101000000_c.down.sql",
}

func steps(p Plan) []string {
	var s []string
	for _, st := range p.Steps {
		s = append(s, fmt.Sprintf("%s>%d", st.File(), st.Target))
	}
	return s
}

func TestForUp_State_PlansOrRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   []string
		state   State
		onNewer OnNewer
		down    bool // RequireDown
		order   OutOfOrder
		want    []string
		to      int
		newer   bool
		refusal string
	}{
		{name: "fresh", files: threeMigrations, state: State{Version: NoVersion},
			want: []string{"1_a.up.sql>1", "5_b.up.sql>5", "20260101000000_c.up.sql>20260101000000"}, to: 20260101000000},
		{name: "some pending", files: threeMigrations, state: State{Version: 5}, want: []string{"20260101000000_c.up.sql>20260101000000"}, to: 20260101000000},
		{name: "nothing to do", files: threeMigrations, state: State{Version: 20260101000000}, to: 20260101000000},
		{name: "version zero", files: []string{"0_a.up.sql", "1_b.up.sql"}, state: State{Version: NoVersion}, want: []string{"0_a.up.sql>0", "1_b.up.sql>1"}, to: 1},
		{name: "newer is allowed by default", files: []string{"1_a.up.sql"}, state: State{Version: 9}, to: 9, newer: true},
		{name: "newer can be refused", files: []string{"1_a.up.sql"}, state: State{Version: 9}, onNewer: FailNewer, refusal: "ahead of the migration files"},
		{name: "unknown version", files: threeMigrations, state: State{Version: 4}, refusal: "version 4, which is not in the files in m"},
		{name: "dirty", files: threeMigrations, state: State{Version: 5, Dirty: true}, refusal: "dirty at version 5"},
		{name: "dirty before the first", files: threeMigrations, state: State{Version: NoVersion, Dirty: true}, refusal: "dirty at version none"},
		{name: "dirty and newer", files: threeMigrations, state: State{Version: 20270101000000, Dirty: true}, refusal: "dirty at version 20270101000000"},
		{name: "no up file", files: []string{"1_a.up.sql", "2_b.down.sql"}, state: State{Version: 1}, refusal: "version 2 has a down file, 2_b.down.sql, and no up file"},
		{name: "no up file, but applied", files: []string{"1_a.down.sql", "2_b.up.sql"}, state: State{Version: 1}, want: []string{"2_b.up.sql>2"}, to: 2},
		{name: "down files exist", files: threeMigrations, state: State{Version: 5}, down: true, want: []string{"20260101000000_c.up.sql>20260101000000"}, to: 20260101000000},
		{name: "down files are required", files: []string{"1_a.up.sql", "2_b.up.sql", "3_c.up.sql", "3_c.down.sql", "4_d.up.sql"}, state: State{Version: 1}, down: true,
			refusal: "pending migrations have no down file: 2, 4"},
		{name: "down files of applied migrations are not required", files: []string{"1_a.up.sql", "2_b.up.sql"}, state: State{Version: 2}, down: true, to: 2},
		{name: "down file of an out-of-order migration is required", files: []string{"1_a.up.sql", "2_b.up.sql"}, state: State{Version: 2, Entries: []history.Entry{{Version: 2, Direction: source.Up}}}, order: ApplyOutOfOrder, down: true,
			refusal: "pending migrations have no down file: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ForUp(catalog(t, c.files...), c.state, Policy{OnNewer: c.onNewer, OutOfOrder: c.order, RequireDown: c.down})
			if c.refusal != "" {
				requireRefusal(t, err, c.refusal)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, steps(p))
			assert.Equal(t, c.state.Version, p.From)
			assert.Equal(t, c.to, p.To)
			assert.Equal(t, c.newer, p.Newer)
		})
	}
}

func TestForDown_State_PlansOrRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   []string
		state   State
		to      int
		want    []string
		refusal string
	}{
		{name: "one", files: threeMigrations, state: State{Version: 5}, to: 1, want: []string{"5_b.down.sql>1"}},
		{name: "all", files: threeMigrations, state: State{Version: 20260101000000}, to: NoVersion,
			want: []string{"20260101000000_c.down.sql>5", "5_b.down.sql>1", "1_a.down.sql>-1"}},
		{name: "already there", files: threeMigrations, state: State{Version: 5}, to: 5},
		{name: "nothing to roll back", files: threeMigrations, state: State{Version: NoVersion}, to: NoVersion},
		{name: "target above the version", files: threeMigrations, state: State{Version: 1}, to: 5, refusal: "at version 1, below 5"},
		{name: "target above no version", files: threeMigrations, state: State{Version: NoVersion}, to: 5, refusal: "at version none, below 5"},
		{name: "no such version", files: threeMigrations, state: State{Version: 5}, to: 3, refusal: "there is no version 3 in m"},
		{name: "database newer than the files", files: threeMigrations[:4], state: State{Version: 7}, to: 1, refusal: "version 7, which is not in"},
		{name: "no down file", files: []string{"1_a.up.sql", "2_b.up.sql", "2_b.down.sql"}, state: State{Version: 2}, to: NoVersion,
			refusal: "version 1 (a) has no down file"},
		{name: "no down file below the target", files: []string{"1_a.up.sql", "2_b.up.sql", "2_b.down.sql"}, state: State{Version: 2}, to: 1,
			want: []string{"2_b.down.sql>1"}},
		{name: "dirty", files: threeMigrations, state: State{Version: 5, Dirty: true}, to: 1, refusal: "dirty at version 5"},
		{name: "to version zero", files: []string{"0_a.up.sql", "1_b.up.sql", "1_b.down.sql"}, state: State{Version: 1}, to: 0, want: []string{"1_b.down.sql>0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ForDown(catalog(t, c.files...), c.state, c.to, Policy{})
			if c.refusal != "" {
				requireRefusal(t, err, c.refusal)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, steps(p))
			assert.Equal(t, c.to, p.To)
		})
	}
}

func requireRefusal(t *testing.T, err error, want string) {
	t.Helper()
	var r *Refusal
	require.ErrorAs(t, err, &r)
	assert.Contains(t, r.Error(), want)
	assert.NotZero(t, r.Cause)
}
