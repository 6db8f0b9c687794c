package planner

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/source"
)

func TestForWait_State_ReportsMissing(t *testing.T) {
	up := func(v int) history.Entry { return history.Entry{Version: v, Direction: source.Up} }
	for _, c := range []struct {
		name    string
		state   State
		onNewer OnNewer
		want    string
		refusal string
	}{
		{name: "fresh", state: State{Version: NoVersion}, want: "no migration is applied; version 20260101000000 is required"},
		{name: "behind", state: State{Version: 5}, want: "database is at version 5; version 20260101000000 is required"},
		{name: "unknown version below", state: State{Version: 4}, want: "database is at version 4; version 20260101000000 is required"},
		{name: "dirty below", state: State{Version: 5, Dirty: true}, want: "a migration is running or partially applied at version 5"},
		{name: "dirty at the end", state: State{Version: 20260101000000, Dirty: true}, want: "a migration is running or partially applied at version 20260101000000"},
		{name: "dirty before the first", state: State{Version: NoVersion, Dirty: true}, want: "a migration is running or partially applied at version none"},
		{name: "up to date", state: State{Version: 20260101000000}},
		{name: "up to date, according to the history table", state: State{Version: 20260101000000, Entries: []history.Entry{up(1), up(5), up(20260101000000)}}},
		{name: "up to date, with unrecorded migrations", state: State{Version: 20260101000000, Entries: []history.Entry{up(1)}}},
		{name: "one is out of order", state: State{Version: 20260101000000, Entries: []history.Entry{up(1), up(20260101000000)}},
			want: "database is at version 20260101000000, but 5 below it is not applied"},
		{name: "newer", state: State{Version: 20270101000000}},
		{name: "newer and dirty", state: State{Version: 20270101000000, Dirty: true}, onNewer: FailNewer,
			want: "a migration is running or partially applied at version 20270101000000"},
		{name: "newer is refused", state: State{Version: 20270101000000}, onNewer: FailNewer, refusal: "ahead of the migration files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ForWait(catalog(t, threeMigrations...), c.state, Policy{OnNewer: c.onNewer})
			if c.refusal != "" {
				requireRefusal(t, err, c.refusal)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}
