// Package messages has the notifications that the tests of package notify and of its channels
// deliver.
package messages

import (
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/report"
)

// Failure returns the message of a failed run, with its report.
func Failure() notify.Message {
	m := notify.Samples()[0]
	m.Rows = []report.Row{
		{Name: "migration", Text: "0009_guest_accounts.up.sql, line 5, column 1 (version 9 up)"},
		{Name: "statement", Text: "ALTER TABLE guests ADD CONSTRAINT guests_email_key UNIQUE (email)"},
		{Name: "postgres", Text: `ERROR: could not create unique index "guests_email_key" (SQLSTATE 23505)`},
		{Name: "state", Text: "no changes of this migration remain; 0 of 1 migrations completed, 1 remaining"},
		{Name: "next", Text: "correct 0009_guest_accounts.up.sql and deploy again; the next run starts with this migration"},
	}
	m.Report = report.Report{Code: m.ExitCode, Title: m.Title, Rows: m.Rows}.String()
	return m
}

// Unknown returns the message of a failed run of which little is known.
func Unknown() notify.Message { return notify.Samples()[1] }

// Success returns the message of a successful run.
func Success() notify.Message { return notify.Samples()[2] }

// All returns the messages by the names of their golden files.
func All() map[string]notify.Message {
	return map[string]notify.Message{"failure": Failure(), "success": Success(), "unknown": Unknown()}
}
