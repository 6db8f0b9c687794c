package notify

import (
	"time"

	"github.com/shiplock/shiplock/internal/report"
)

// Samples returns a failure, a failure of which little is known, and a success.
func Samples() []Message {
	number := func(n int) *int { return &n }
	at := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	failed := Message{
		Schema: SchemaVersion, ID: "SAMPLE", Command: "up", Outcome: Outcome(report.ExitFailed), ExitCode: report.ExitFailed,
		Title:   "migration 0009_guest_accounts.up.sql failed and was rolled back; database is at version 8",
		Rows:    []report.Row{{Name: "state", Text: "no changes of this migration remain"}, {Name: "next", Text: "correct the file and deploy again"}},
		Report:  "shiplock: migration 0009_guest_accounts.up.sql failed and was rolled back; database is at version 8\n",
		Release: "booking", Revision: "3", Namespace: "shop", Job: "booking-shiplock", Pod: "booking-shiplock-x7k2p", Database: "booking@db:5432/booking",
		VersionFrom: number(8), VersionTo: number(8), Applied: number(0), RolledBack: number(0), Pending: number(1), Migrations: []Migration{}, Position: &Position{"0009_guest_accounts.up.sql", 5, 1},
		Started: at, Ended: at.Add(2 * time.Second), Seconds: 2, Migrator: "0.1.0",
	}
	unknown := failed
	unknown.ExitCode, unknown.Outcome, unknown.Title, unknown.Report = report.ExitUsage, Outcome(report.ExitUsage), "no database given", "shiplock: no database given\n"
	unknown.VersionFrom, unknown.VersionTo, unknown.Applied, unknown.RolledBack, unknown.Pending, unknown.Position = nil, nil, nil, nil, nil, nil
	unknown.Rows, unknown.Database, unknown.Release, unknown.Revision = []report.Row{}, "", "", ""
	succeeded := failed
	succeeded.ExitCode, succeeded.Outcome, succeeded.Position, succeeded.Rows, succeeded.Changed = 0, Outcome(0), nil, []report.Row{}, true
	succeeded.Title = "database is at version 9 (previously 8): 1 migration applied in 2s"
	succeeded.Report = "shiplock: " + succeeded.Title + "\n  database booking@db:5432/booking; release booking, revision 3, namespace shop\n"
	succeeded.VersionTo, succeeded.Applied, succeeded.Pending = number(9), number(1), number(0)
	succeeded.Migrations = []Migration{{9, "guest_accounts", "up"}}
	return []Message{failed, unknown, succeeded}
}
