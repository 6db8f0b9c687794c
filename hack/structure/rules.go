package main

// rules are the rules of this repository.
var rules = Rules{
	Order: []string{
		"internal/text",
		"internal/retry",
		"internal/config/versiontable",
		"internal/config/credentials",
		"internal/config/dsn",
		"internal/config",
		"internal/sqlfile",
		"internal/source",
		"internal/progress",
		"internal/interrupt",
		"internal/subprocess",
		"internal/script/syntax",
		"internal/script",
		"internal/servermessage",
		"internal/postgres/wire",
		"internal/postgres",
		"internal/history",
		"internal/planner",
		"internal/activity",
		"internal/lock",
		"internal/schema",
		"internal/lint/compatibility",
		"internal/lint",
		"internal/check/finding",
		"internal/check/gitbase",
		"internal/check/model",
		"internal/check/locks",
		"internal/check/statements",
		"internal/check",
		"internal/check/output",
		"internal/dataloss",
		"internal/resume",
		"internal/migrationerror",
		"internal/batch",
		"internal/executor",
		"internal/diagnose",
		"internal/golangmigrate",
		"internal/toolrun",
		"internal/database",
		"internal/exectool",
		"internal/state",
		"internal/migrator",
		"internal/rehearsal",
		"internal/status",
		"internal/report",
		"internal/report/advice",
		"internal/report/checkfailure",
		"internal/report/failure",
		"internal/notify",
		"internal/notify/httprequest",
		"internal/notify/webhook",
		"internal/notify/slack",
		"internal/notify/pushgateway",
		"internal/notify/kubernetes",
		"internal/notify/github",
		"internal/cli/notifications",
		"internal/cli/sanitize",
		"internal/cli/redact",
		"internal/cli/sidecar",
		"internal/cli/install",
		"internal/cli/process",
		"internal/cli/flags",
		"internal/cli/output",
		"internal/cli/console",
		"internal/cli/outcome",
		"internal/cli/settings",
		"internal/cli",
		"cmd/migrator",
	},
	Support: []string{"internal/test", "hack"},
	Only: map[string][]string{
		"github.com/golang-migrate/migrate/v4": {"internal/golangmigrate"},
	},
	Banned: map[string]string{
		"helm.sh":                     "Helm",
		"sigs.k8s.io":                 "kind",
		"k8s.io":                      "client-go",
		"github.com/stretchr/testify": "a library for tests",
	},
	MaxLines:     1500,
	Larger:       map[string]Larger{},
	Circles:      map[string]string{},
	LargestShare: 10,
	Sentences:    2,
}

// Rules are the rules for the packages of a module. Paths are relative to the module's root.
type Rules struct {
	Order        []string            // the product's packages; each may import those above it in this list
	Support      []string            // folders whose packages the product never imports: test support and developers' programs
	Only         map[string][]string // a module, and the packages that may import it; the first is the one that others use
	Banned       map[string]string   // modules that no program may link, and their names
	MaxLines     int                 // of a product package, tests not counted
	Larger       map[string]Larger   // packages that may be larger
	Circles      map[string]string   // packages whose files still have circles, and the reason
	Sentences    int                 // of a product package's comment, at least
	LargestShare int                 // 10: no package has a tenth of the lines or more
}

// Larger is an exception from MaxLines.
type Larger struct {
	Lines  int
	Reason string
}

// isSupport reports whether a package is none of the product.
func (r Rules) isSupport(path string) bool {
	for _, folder := range r.Support {
		if isWithin(path, folder) {
			return true
		}
	}
	return false
}
