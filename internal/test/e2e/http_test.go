package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/test/e2e/kube"
)

// port is the port of the sample application's service.
const port = ":http"

// requestTimeout bounds a request of the prober. On a busy machine an answer takes seconds; a release that interrupts the
// service is noticed by refused connections and errors, not by slow answers.
const requestTimeout = 30 * time.Second

// httpCommand:
//
//	http [-until REGEXP] METHOD SERVICE /PATH [BODY]
//
// sends a request through the API server and prints status and body. A status from 400 on is an error. With -until it
// repeats the request until status and body match: a service removes its old pods with a delay.
func httpCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	until := flags.String("until", "", "what the answer must match")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if args = flags.Args(); len(args) < 3 {
		return errors.New("http [-until REGEXP] METHOD SERVICE /PATH [BODY]")
	}
	want, err := regexp.Compile(*until)
	if err != nil {
		return err
	}
	cluster, err := client()
	if err != nil {
		return err
	}
	var status int
	var answer string
	err = pollUntil(ctx, func(ctx context.Context) (bool, error) {
		var body []byte
		var err error
		status, body, err = cluster.HTTP(ctx, strings.ToUpper(args[0]), args[1]+port, args[2], []byte(strings.Join(args[3:], " ")))
		answer = fmt.Sprintf("%d %s", status, body)
		return err == nil && want.MatchString(answer), err
	})
	fmt.Println(answer)
	if err == nil && status >= 400 {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

// probeCommand:
//
//	probe SERVICE &probe&  ...  kill -INT probe  ...  wait probe
//
// requests the version and the bookings of the sample application until it is interrupted. It then prints the number of
// answers and the processes that gave them. The command fails if a request fails after the first successful one (a new
// service has no endpoints at first, even after helm's --wait), or if none succeeds.
func probeCommand(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("probe SERVICE")
	}
	cluster, err := client()
	if err != nil {
		return err
	}
	p := prober{cluster: cluster, service: args[0], processes: map[string]bool{}}
	for ctx.Err() == nil {
		p.ask("/version")
		p.ask("/bookings")
		select {
		case <-ctx.Done():
		case <-time.After(150 * time.Millisecond):
		}
	}
	return p.result()
}

type prober struct {
	cluster   *kube.Client
	service   string
	answers   int
	failures  []string
	processes map[string]bool
}

func (p *prober) ask(path string) {
	// Not the command's context: a request that runs when the command is interrupted is not a failure.
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	status, body, err := p.cluster.HTTP(ctx, "GET", p.service+port, path, nil)
	if err != nil || status != 200 {
		if p.answers > 0 {
			p.failures = append(p.failures, fmt.Sprintf("%s GET %s: %d %s %v", time.Now().Format("15:04:05.000"), path, status, body, err))
		}
		return
	}
	p.answers++
	if path != "/version" {
		return
	}
	var version struct{ Release, Pod, Started string }
	if err := json.Unmarshal(body, &version); err != nil {
		p.failures = append(p.failures, err.Error())
		return
	}
	p.processes[fmt.Sprintf("%s %s %s", version.Release, version.Pod, version.Started)] = true
}

func (p *prober) result() error {
	fmt.Printf("answers=%d failures=%d\n", p.answers, len(p.failures))
	var processes []string
	for process := range p.processes {
		processes = append(processes, process)
	}
	sort.Strings(processes)
	for _, process := range processes {
		fmt.Printf("process %s\n", process)
	}
	fmt.Fprintln(os.Stderr, strings.Join(p.failures, "\n"))
	if len(p.failures) > 0 || p.answers == 0 {
		return fmt.Errorf("%d requests failed, %d were answered", len(p.failures), p.answers)
	}
	return nil
}
