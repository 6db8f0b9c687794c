// Package toolrun observes external migration tools in the database: it finds the sessions of a tool
// that has started, ends those that outlive it, reads the marks that make a tool refuse to run, and
// records each run in the history table of external tools.
//
// A [Tools] belongs to the session of a history.Store. A [ToolTrace] identifies the sessions of one
// run, a [ToolProblem] is a mark or a lock, and a [ToolRun] is a row of the history. Package exectool
// calls it for migrator exec.
package toolrun
