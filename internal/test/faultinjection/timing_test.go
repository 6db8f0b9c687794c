package faultinjection

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timing is how long a tool takes, measured before the first round.
type timing struct {
	base, each               time.Duration // from the first connection, and for each migration
	answersBase, answersEach float64
}

// faultPoint returns the moment of a fault for one set and one tool: an answer or a duration.
func (p timing) faultPoint(s Fault, set *Set) (answer int, after time.Duration) {
	n := len(set.Migrations)
	if s.ByAnswer {
		return 1 + int(s.At*(p.answersBase+p.answersEach*float64(n))), 0
	}
	return 0, time.Duration(s.At * float64(p.base+p.each*time.Duration(n)+set.Slept))
}

// measure runs two sets without a fault and returns the medians. The number of concurrent runs
// is that of the rounds.
func (tl *tool) measure(t *testing.T) timing {
	t.Helper()
	const few, many = 1, 7
	duration, answers := map[int]time.Duration{}, map[int]float64{}
	for _, n := range []int{few, many} {
		duration[n], answers[n] = tl.median(t, fixedSet(n))
	}
	each := max(0, duration[many]-duration[few]) / (many - few)
	perMigration := (answers[many] - answers[few]) / (many - few)
	return timing{base: duration[few] - each, each: each, answersBase: answers[few] - perMigration, answersEach: perMigration}
}

func (tl *tool) median(t *testing.T, s *Set) (time.Duration, float64) {
	t.Helper()
	const each = 3
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		duration []time.Duration
		answers  []int
	)
	for worker := range *workers {
		wg.Go(func() {
			for i := range each {
				t.Run(fmt.Sprint(tl.Name, "/undisturbed/", len(s.Migrations), "/", worker*each+i), func(t *testing.T) {
					d, n := tl.undisturbed(t, s)
					mu.Lock()
					defer mu.Unlock()
					duration, answers = append(duration, d), append(answers, n)
				})
			}
		})
	}
	wg.Wait()
	require.Len(t, duration, *workers*each)
	slices.Sort(duration)
	slices.Sort(answers)
	return duration[len(duration)/2], float64(answers[len(answers)/2])
}

// undisturbed runs a set without a fault. It returns the duration since the first
// connection, and the number of the server's answers.
func (tl *tool) undisturbed(t *testing.T, s *Set) (time.Duration, int) {
	t.Helper()
	p := newDatabase(t, nil)
	x := newProxy(t, p.addr)
	e, err := tl.run(s, tl.folder(t, s), p.urlThrough(t, x), func(func(syscall.Signal) error) {})
	answers, duration := x.stats()
	require.NoError(t, err)
	require.Zero(t, e.code, e.stderr)
	findings, err := verify(p, s, tl)
	require.NoError(t, err)
	require.Empty(t, findings)
	return duration, answers
}
