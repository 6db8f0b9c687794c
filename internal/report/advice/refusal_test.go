package advice

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/planner"
)

func TestRefusal_Cause_ExplainsEachCause(t *testing.T) {
	texts := map[string]planner.Cause{}
	for cause := planner.Dirty; cause <= planner.UnknownTarget; cause++ {
		refusal := &planner.Refusal{Cause: cause}

		why, next := Refusal(refusal)

		assert.NotEmpty(t, why, refusal.Error())
		assert.NotEmpty(t, next, refusal.Error())
		assert.NotContains(t, texts, refusal.Error(), "each cause has its own text")
		texts[refusal.Error()] = cause
	}
	assert.Equal(t, "refused", (&planner.Refusal{Cause: planner.UnknownTarget + 1}).Error(), "UnknownTarget is the last cause")
}
