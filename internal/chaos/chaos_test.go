package chaos

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ownServers is how many servers there are to restart: one round at a time on each.
const ownServers = 2

// TestChaos plays the rounds. Only what is ours fails it.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("strikes real processes and servers for a minute")
	}
	if *rounds == 0 {
		t.Skip("-rounds 0: rollbacks only")
	}
	began := time.Now()
	field := &field{tools: tools(t), paces: map[*tool]pace{}, servers: make(chan *server, ownServers)}
	for _, tl := range field.tools {
		field.paces[tl] = tl.measure(t)
		t.Logf("%s %s: %+v", tl.name, tl.version, field.paces[tl])
	}
	for n := range ownServers {
		field.servers <- newServer(t, n)
	}
	verdicts := field.play(t)
	require.Len(t, verdicts, *rounds*len(field.tools))
	result := render(t, field.tools, verdicts, time.Since(began))
	fmt.Println(result)
	if *report != "" {
		require.NoError(t, splice(*report, result, ""))
	}
	for _, v := range verdicts {
		if v.tool.name == "shiplock" && v.outcome != Recovered {
			assert.Fail(t, string(v.outcome), v.String())
		}
	}
}

// field is where the rounds are played.
type field struct {
	tools   []*tool
	paces   map[*tool]pace
	servers chan *server
}

type task struct {
	seed uint64
	tool *tool
}

func (f *field) play(t *testing.T) []verdict {
	t.Helper()
	var tasks []task
	for i := range *rounds {
		for _, tl := range f.tools {
			tasks = append(tasks, task{*seed + uint64(i), tl})
		}
	}
	return atWork(t, tasks, func(next task) string { return fmt.Sprint(next.tool.name, "/", next.seed) }, f.round)
}

// atWork plays rounds, each a test of its own, so many at a time as there are workers.
func atWork[T any](t *testing.T, rounds []T, name func(T) string, play func(*testing.T, T) verdict) []verdict {
	t.Helper()
	tasks := make(chan T)
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		verdicts []verdict
	)
	for range *workers {
		wg.Go(func() {
			for next := range tasks {
				t.Run(name(next), func(t *testing.T) {
					v := play(t, next)
					mu.Lock()
					defer mu.Unlock()
					verdicts = append(verdicts, v)
				})
			}
		})
	}
	for _, next := range rounds {
		tasks <- next
	}
	close(tasks)
	wg.Wait()
	return verdicts
}

func (f *field) round(t *testing.T, next task) verdict {
	t.Helper()
	own := f.own(t, NewStrike(next.seed, Kind(*only)).Kind)
	return next.tool.play(t, next.seed, newPlace(t, own), f.paces[next.tool])
}

// own is a server that a round has for itself, where it is to be restarted; else nil.
func (f *field) own(t *testing.T, k Kind) *server {
	t.Helper()
	if k != Restart && k != Crash {
		return nil
	}
	own := <-f.servers
	t.Cleanup(func() { f.servers <- own }) // the first to be registered is the last to run
	return own
}

// String tells what a failed round was and how to play it again.
func (v verdict) String() string {
	again := fmt.Sprintf("go test ./internal/chaos -run TestChaos -tools %s -seed %d -rounds 1", v.tool.name, v.seed)
	if *mixed {
		again += " -mixed"
	}
	if *only != "" {
		again += fmt.Sprintf(" -kind '%s'", *only)
	}
	return fmt.Sprintf("%s, seed %d, %s %s (struck: %t), set: %s, exit code %d, %d reruns: %s: %s\nagain: %s",
		v.tool.name, v.seed, v.kind, v.moment, v.struck, v.class, v.code, v.reruns, v.outcome, v.detail, again)
}
