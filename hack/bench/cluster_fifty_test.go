package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
	"github.com/shiplock/shiplock/internal/test/program"
)

// workConfigMap is the ConfigMap with the migrations of the figure with many pods.
const workConfigMap = "work"

// A rollout is the measurement of a release whose pods have the migrator as an init container.
type rollout struct {
	pods     int
	all      time.Duration // from helm's start to the end of the last init container
	work     time.Duration // from the start of the first migration to the end of the last one
	late     []time.Duration
	restarts int
}

// clusterFifty measures pods that start at the same time and apply the same migrations, compared with a single pod.
func clusterFifty(t *testing.T, s scale) result.Figure {
	th := onCluster(t)
	th.workAsConfigMap(t, s.work)
	one, busy, many := th.rollout(t, 1, 0), th.rollout(t, 1, s.processes-1), th.rollout(t, s.processes, 0)
	late := concurrentRuns{late: many.late}.p99()
	ratio := many.work.Seconds() / one.work.Seconds()
	row := func(what string, r rollout) []string {
		return []string{what, seconds(r.all), cell(r.work, one.work, seconds), seconds(concurrentRuns{late: r.late}.p99()), fmt.Sprint(r.restarts)}
	}
	return result.Figure{
		Title: "Many pods at once",
		How: fmt.Sprintf("A release of one pod and one of %d, each pod with the migrator as an init container, on an empty database, for migrations that take %s. A pod's wait after the end of the migrations "+
			"is measured by its log, from its first line if that is later. The time that Kubernetes needs to start the containers on %d cores is not part of it", s.processes, s.work, machine(t).Cores),
		Tools:  []result.Tool{{Name: "helm", Version: program.LastLine(t, th.helm, "version", "--short")}},
		Tables: []result.Table{{Header: []string{"pods with the migrator", "until all have started", "of that, the migrations", "p99 after the last migration", "containers started twice"}, Rows: [][]string{row("1", one), row(fmt.Sprintf("1, and %d whose init container does nothing", s.processes-1), busy), row(fmt.Sprint(s.processes), many)}}},
		Goals: []result.Goal{
			withCause(goal("the migrations take at most 1.2 × those of a single pod", times(ratio), ratio <= 1.2)),
			withCause(goal("p99 of the others at most 1 s after the last migration", seconds(late), late <= time.Second)),
			goal("no container is started twice", fmt.Sprint(many.restarts), many.restarts == 0),
		},
	}
}

// withCause adds the reason to a goal that is not met.
func withCause(g result.Goal) result.Goal {
	if !g.Met {
		g.Note = "the migrator that applies the migrations waits for a processor between its statements, while the others start and Kubernetes starts their containers on the same cores. " +
			"The containers alone (the second row) and the migrators alone (the figure `fifty`) need less time"
	}
	return g
}

func (th *clusterFixture) workAsConfigMap(t *testing.T, takes time.Duration) {
	t.Helper()
	files := map[string]string{}
	for i, m := range sleepingMigrations(takes) {
		files[fmt.Sprintf("%d_work.up.sql", i+1)] = m.up
	}
	object, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]string{"name": workConfigMap, "namespace": namespace}, "data": files})
	require.NoError(t, err)
	require.NoError(t, th.Kube.Apply(t.Context(), workConfigMap, bytes.NewReader(object), false))
}

// rollout installs the release on an empty database, with a number of idle pods at the same time, and removes it.
func (th *clusterFixture) rollout(t *testing.T, pods, idle int) rollout {
	t.Helper()
	require.NoError(t, th.Database.Create(t.Context(), namespace, databasePassword))
	release := fmt.Sprintf("booking-%d-%d", pods, idle) // a pod that is still terminating belongs to another release
	start := time.Now()
	if idle > 0 {
		th.upgrade(t, "idle", "testdata/nothing", idleSet(idle)...)
		defer th.uninstall(t, "idle")
	}
	th.upgrade(t, release, th.Charts.Booking, fiftySet(pods)...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	require.NoError(t, kube.Until(ctx, func() (bool, error) {
		done, err := th.Kube.JSONPath(kube.Query{Args: []string{"pods"}, Selector: instance(release)}, `{range .items[*]}{.status.initContainerStatuses[0].state.terminated.exitCode} {end}`)
		return len(strings.Fields(done)) == pods, err
	}))
	r := rollout{pods: pods, all: time.Since(start)}
	fields := strings.Split(th.query(t, "SELECT extract(epoch FROM min(run_started_at)), extract(epoch FROM max(run_started_at + run_duration)), count(*), count(DISTINCT migration_version) FROM schema_migrations_history WHERE run_outcome = 'applied'"), "|")
	require.Len(t, fields, 4)
	require.Equal(t, fields[2], fields[3], "each migration once")
	from, end := epoch(t, fields[0]), epoch(t, fields[1])
	r.work = end.Sub(from)
	r.late, r.restarts = th.late(t, release, end)
	require.Len(t, r.late, pods)
	th.uninstall(t, release)
	return r
}

// instance returns a release's label selector.
func instance(release string) string { return "app.kubernetes.io/instance=" + release }

func epoch(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return time.Unix(0, int64(at*1e9))
}

// late returns the time between the last migration's end, or the migrator's start, and the last log line of each migrator, and the number of
// container restarts.
func (th *clusterFixture) late(t *testing.T, release string, work time.Time) (late []time.Duration, restarts int) {
	t.Helper()
	pods, err := th.Kube.JSONPath(kube.Query{Args: []string{"pods"}, Selector: instance(release)}, `{range .items[*]}{.metadata.name} {.spec.initContainers[0].name} {.status.initContainerStatuses[0].restartCount}{"\n"}{end}`)
	require.NoError(t, err)
	for pod := range strings.Lines(strings.TrimSpace(pods)) {
		var name, container string
		var again int
		_, err := fmt.Sscan(pod, &name, &container, &again)
		require.NoError(t, err, pod)
		var log bytes.Buffer
		require.NoError(t, th.Kube.ContainerLog(t.Context(), name, container, &log))
		first, last := logTimes(t, &log)
		if first.Before(work) {
			first = work
		}
		late, restarts = append(late, max(0, last.Sub(first))), restarts+again
	}
	return late, restarts
}

// logTimes returns the times of the first and the last line of a JSON log.
func logTimes(t *testing.T, log *bytes.Buffer) (first, last time.Time) {
	t.Helper()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct{ Time time.Time }
		require.NoErrorf(t, json.Unmarshal(lines.Bytes(), &line), "%s", lines.Bytes())
		if first.IsZero() {
			first = line.Time
		}
		last = line.Time
	}
	require.False(t, last.IsZero(), "an empty log")
	return first, last
}
