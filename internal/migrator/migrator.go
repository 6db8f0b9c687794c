// Package migrator implements the commands that migrate and repair (up, down, plan, repair): a function
// for each, with [Options], such as [Up], which returns a [Result] or a [RunError]. cli, rehearsal, and
// status call it, and report explains its errors.
package migrator
