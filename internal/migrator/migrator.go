// Package migrator implements the commands that migrate and repair (up, down, plan, repair): a function
// for each, with [Options], such as [Up], which returns a [Result] or a [RunError]. cli and rehearsal
// call it, and report explains its errors.
//
// A run is in run.go: [Up] calls run, which opens sessions; runSession plans without the lock and takes
// it; apply plans again under the lock, calls the executor, and has a failure explained. decision.go makes
// the plans, and goal.go recognizes that there is nothing to do.
package migrator
