package cluster

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPIPort_Name_HasOwnPort(t *testing.T) {
	low := lowestGiven()
	if low < firstPort+ports {
		assert.Zero(t, apiPort("some"), "kind chooses if no port below %d is available", low)
		t.Skip("the kernel gives away ports from", low, "on")
	}
	name := t.Name()
	port := apiPort(name)
	assert.GreaterOrEqual(t, port, int32(firstPort))
	assert.Less(t, port, int32(firstPort+ports))
	assert.Equal(t, port, apiPort(name), "a name has its own port")
	assert.NotEqual(t, port, apiPort(TestName))

	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	require.NoError(t, err, "it is free")
	defer l.Close()
	next := apiPort(name)
	assert.NotEqual(t, port, next, "it is not any more")
	assert.NotZero(t, next)
}

func TestConfig_Port_IsUsed(t *testing.T) {
	c := config("some/image", 12001)
	assert.EqualValues(t, 12001, c.Networking.APIServerPort)
	assert.Zero(t, config("some/image", 0).Networking.APIServerPort, "kind chooses")
}
