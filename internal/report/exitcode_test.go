package report

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The help lists every constant.
func TestExitCodes_Constants_AllDescribed(t *testing.T) {
	source, err := os.ReadFile("exitcode.go")
	require.NoError(t, err)
	var constants, described []string
	for _, c := range regexp.MustCompile(`(?m)^\tExit\w+ += (\d+)`).FindAllStringSubmatch(string(source), -1) {
		if c[1] == "128" {
			c[1] = "128+n"
		}
		constants = append(constants, c[1])
	}
	for _, c := range ExitCodes {
		described = append(described, c.Code)
	}
	require.NotEmpty(t, constants)
	assert.Equal(t, constants, described)
}
