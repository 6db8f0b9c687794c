package toolrun

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

// TestToolTrace_Certain has a case for each property that identifies the tool's session, and for
// each that excludes it.
func TestToolTrace_Certain(t *testing.T) {
	t.Parallel()
	local := time.Now()
	const start, second = int64(1_000_000_000), int64(1_000_000)
	client, server := netip.MustParseAddrPort("10.0.0.7:40000"), netip.MustParseAddrPort("10.0.0.1:5432")
	connection := ToolConnection{Local: client, Remote: server, Seen: local.Add(10 * time.Second)}
	base := ToolTrace{Application: "shiplock-exec-1-2", namePrefix: "shiplock-exec-1-", serverTime: start, localTime: local, direct: true, address: "10.0.0.7", remote: server}
	session := ToolSession{PID: 1, Database: "d", User: "app", Busy: true, Started: start + second, Transaction: start + second, client: client}
	for name, c := range map[string]struct {
		change          func(*ToolTrace, *ToolSession, *ToolConnection)
		certain, likely bool
	}{
		"its connection": {func(*ToolTrace, *ToolSession, *ToolConnection) {}, true, true},
		"its name": {func(_ *ToolTrace, s *ToolSession, c *ToolConnection) {
			s.Application, c.Local = "shiplock-exec-1-2", server
		}, true, false},
		"its name, not visible to the role": {func(_ *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.Application, s.Started, s.client = "shiplock-exec-1-2", 0, netip.AddrPort{}
		}, true, false},
		"its name, on a Unix socket": {func(t *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.Application, s.client, t.address, t.direct = "shiplock-exec-1-2", netip.AddrPort{}, "", false
		}, true, false},
		"its name, from another address": {func(_ *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.Application, s.client = "shiplock-exec-1-2", netip.MustParseAddrPort("10.0.0.8:1")
		}, false, false},
		"its name, shared by a pooler": {func(t *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.Application, t.pooled = "shiplock-exec-1-2", true
		}, false, false},
		"its name, older than the run": {func(_ *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.Application, s.Started = "shiplock-exec-1-2", start-1
		}, false, false},
		"another run's name": {func(_ *ToolTrace, s *ToolSession, c *ToolConnection) {
			s.Application, c.Local = "shiplock-exec-1-3", server
		}, false, false},
		"another port": {func(_ *ToolTrace, _ *ToolSession, c *ToolConnection) {
			c.Local = netip.MustParseAddrPort("10.0.0.7:40001")
		}, false, true},
		"its port, to another server": {func(_ *ToolTrace, _ *ToolSession, c *ToolConnection) {
			c.Remote = netip.MustParseAddrPort("10.0.0.2:5432")
		}, false, true},
		"its port, reused later": {func(_ *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.Started, s.Transaction = start+11*second, start+11*second
		}, false, true},
		"address translation": {func(t *ToolTrace, _ *ToolSession, _ *ToolConnection) { t.direct = false }, false, true},
		"older than the run":  {func(_ *ToolTrace, s *ToolSession, c *ToolConnection) { s.Started = start - 1 }, false, false},
		"another pod": {func(_ *ToolTrace, s *ToolSession, _ *ToolConnection) {
			s.client = netip.MustParseAddrPort("10.0.0.8:40000")
		}, false, false},
		"another role": {func(_ *ToolTrace, s *ToolSession, c *ToolConnection) { s.User, c.Local = "report", server }, false, false},
	} {
		trace, s, conn := base, session, connection
		c.change(&trace, &s, &conn)
		assert.Equal(t, c.certain, trace.certain(s, []ToolConnection{conn}), name)
		assert.Equal(t, c.likely, trace.likely(s, []string{"app"}), name)
	}
}

// The process ID may be reused by another session.
func TestEndToolSession_OtherSessionWithPID_Untouched(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db, other := New(teststore.Open(t, d)), New(teststore.Open(t, d))
	allowed, err := db.EndToolSession(t.Context(), ToolSession{PID: other.session.Server.PID, Started: 1}, true)
	require.NoError(t, err)
	assert.True(t, allowed)
	require.NoError(t, other.session.Exec(t.Context(), "SELECT 1"))
	super := ToolSession{}
	require.NoError(t, d.Admin().QueryRow("SELECT pg_backend_pid()").Scan(&super.PID))
	allowed, err = db.EndToolSession(t.Context(), super, true)
	require.NoError(t, err)
	assert.False(t, allowed, "a superuser's session requires a superuser")
}
