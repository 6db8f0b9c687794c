package faultinjection

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownServers is the number of servers that faults restart. Each runs one round at a time.
const ownServers = 2

// TestUp_InjectedFault_Recovers runs the rounds. Only Shiplock's results can fail it.
func TestUp_InjectedFault_Recovers(t *testing.T) {
	if testing.Short() {
		t.Skip("injects faults into real processes and servers for a minute")
	}
	if *rounds == 0 {
		t.Skip("-rounds 0: rollbacks only")
	}
	began := time.Now()
	suite := &suite{tools: tools(t), timings: map[*tool]timing{}, servers: make(chan *server, ownServers)}
	for _, tl := range suite.tools {
		suite.timings[tl] = tl.measure(t)
		t.Logf("%s %s: %+v", tl.Name, tl.Version, suite.timings[tl])
	}
	for n := range ownServers {
		suite.servers <- newServer(t, n)
	}
	results := suite.runRounds(t)
	require.Len(t, results, *rounds*len(suite.tools))
	result := render(t, suite.tools, results, time.Since(began))
	fmt.Println(result)
	if *report != "" {
		require.NoError(t, splice(*report, result, ""))
	}
	for _, v := range results {
		if v.tool.Name == "shiplock" && v.outcome != Recovered {
			assert.Fail(t, string(v.outcome), v.String())
		}
	}
}

// A suite has the tools and servers of the rounds.
type suite struct {
	tools   []*tool
	timings map[*tool]timing
	servers chan *server
}

type task struct {
	seed uint64
	tool *tool
}

func (f *suite) runRounds(t *testing.T) []roundResult {
	t.Helper()
	var tasks []task
	for i := range *rounds {
		for _, tl := range f.tools {
			tasks = append(tasks, task{*seed + uint64(i), tl})
		}
	}
	return runParallel(t, tasks, func(next task) string { return fmt.Sprint(next.tool.Name, "/", next.seed) }, f.round)
}

// runParallel runs each round as a subtest. Their number at a time is -workers.
func runParallel[T any](t *testing.T, rounds []T, name func(T) string, runRounds func(*testing.T, T) roundResult) []roundResult {
	t.Helper()
	tasks := make(chan T)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		results []roundResult
	)
	for range *workers {
		wg.Go(func() {
			for next := range tasks {
				t.Run(name(next), func(t *testing.T) {
					v := runRounds(t, next)
					mu.Lock()
					defer mu.Unlock()
					results = append(results, v)
				})
			}
		})
	}
	for _, next := range rounds {
		tasks <- next
	}
	close(tasks)
	wg.Wait()
	return results
}

func (f *suite) round(t *testing.T, next task) roundResult {
	t.Helper()
	dedicatedServer := f.dedicatedServer(t, NewFault(next.seed, Kind(*only)).Kind)
	return next.tool.runRound(t, next.seed, newDatabase(t, dedicatedServer), f.timings[next.tool])
}

// dedicatedServer returns a server for one round if the fault restarts it, and nil otherwise.
func (f *suite) dedicatedServer(t *testing.T, k Kind) *server {
	t.Helper()
	if k != Restart && k != Crash {
		return nil
	}
	dedicatedServer := <-f.servers
	t.Cleanup(func() { f.servers <- dedicatedServer }) // cleanups run in reverse order
	return dedicatedServer
}

// String describes a failed round and the command that repeats it.
func (v roundResult) String() string {
	again := fmt.Sprintf("go test ./internal/test/faultinjection -run TestUp_InjectedFault -tools %s -seed %d -rounds 1", v.tool.Name, v.seed)
	if *mixed {
		again += " -mixed"
	}
	if *only != "" {
		again += fmt.Sprintf(" -kind '%s'", *only)
	}
	return fmt.Sprintf("%s, seed %d, %s %s (injected: %t), set: %s, exit code %d, %d reruns: %s: %s\nagain: %s",
		v.tool.Name, v.seed, v.kind, v.faultPoint, v.injected, v.class, v.code, v.reruns, v.outcome, v.detail, again)
}
