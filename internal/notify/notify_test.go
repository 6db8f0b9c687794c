package notify

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDeliver_Outcome_SelectsChannels(t *testing.T) {
	var o Options
	failed, succeeded := Samples()[0], Samples()[2]
	idle := succeeded
	idle.Changed = false
	assert.True(t, o.acceptsOutcome(failed))
	assert.False(t, o.acceptsOutcome(succeeded), "success is not enabled")
	o.Success = true
	assert.True(t, o.acceptsOutcome(succeeded))
	assert.False(t, o.acceptsOutcome(idle), "the database did not change")
	wait := failed
	wait.Command = "wait"
	assert.True(t, o.acceptsOutcome(wait))
}
