// Package activity reads what sessions of the server do, from pg_stat_activity and the
// pg_stat_progress views: [Read] returns the [Backend] of a session, with the sessions that block it
// ([SessionInfo]) and the progress of its statement.
//
// A [Monitor] reports the progress of the migrations that a session runs. The executor stores the
// current file and statement in its [PositionTracker]; the [Watcher] combines it with the server's view,
// which it reads from a second session, and remembers the blocking sessions.
//
// Package executor starts the watcher, lock shows what the holder of the lock does, and toolrun what an
// external tool does.
package activity
