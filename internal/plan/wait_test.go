package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestForWait_State_ReportsMissing(t *testing.T) {
	up := func(v int) Run { return Run{Version: v, Direction: Up} }
	for _, c := range []struct {
		name    string
		state   State
		onNewer OnNewer
		want    string
		refusal string
	}{
		{name: "fresh", state: State{Version: NoVersion}, want: "no migration has run yet; wanted is version 20260101000000"},
		{name: "behind", state: State{Version: 5}, want: "the database is at version 5; wanted is version 20260101000000"},
		{name: "unknown version below", state: State{Version: 4}, want: "the database is at version 4; wanted is version 20260101000000"},
		{name: "dirty below", state: State{Version: 5, Dirty: true}, want: "a migration is at work at version 5, or stopped part-way there"},
		{name: "dirty at the end", state: State{Version: 20260101000000, Dirty: true}, want: "a migration is at work at version 20260101000000, or stopped part-way there"},
		{name: "dirty before the first", state: State{Version: NoVersion, Dirty: true}, want: "a migration is at work at version none, or stopped part-way there"},
		{name: "there", state: State{Version: 20260101000000}},
		{name: "there, by the journal", state: State{Version: 20260101000000, Runs: []Run{up(1), up(5), up(20260101000000)}}},
		{name: "there, and adopted", state: State{Version: 20260101000000, Runs: []Run{up(1)}}},
		{name: "one was merged late", state: State{Version: 20260101000000, Runs: []Run{up(1), up(20260101000000)}},
			want: "the database is at version 20260101000000, and 5 below it has not run"},
		{name: "newer", state: State{Version: 20270101000000}},
		{name: "newer and dirty", state: State{Version: 20270101000000, Dirty: true}, onNewer: FailNewer,
			want: "a migration is at work at version 20270101000000, or stopped part-way there"},
		{name: "newer is refused", state: State{Version: 20270101000000}, onNewer: FailNewer, refusal: "newer than the newest file"},
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
