// Package sarif pins go-sarif, whose source has the JSON schema of SARIF 2.1.0. The tests of
// internal/check/output read it there.
package sarif

import _ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // has the schema
