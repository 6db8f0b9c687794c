// Package postgres is one session on one PostgreSQL database. [Open] connects, waits for a server that
// is starting, assumes [Options].Role, and returns a [Session], which runs queries and SQL.
// Migrations and Shiplock's tables belong to the packages above it.
//
// # Errors
//
// Errors are typed causes: [ConnectError] (not reachable in the time given, or the login failed),
// [RoleError], [LostError] (the connection broke while it was in use), and [ConversionError]. Errors of
// the server stay *pq.Error; [ServerError] returns them. [Session.ClassifyError] converts an error of a
// query to one of these, and removes the application's rows from it.
//
// # Connection poolers
//
// [Session.DetectTransactionPooling] reports whether a pooler in transaction mode is between this
// session and the server. Package lock sets [Session].Shared then: what the session sets would apply to
// other clients of the pooler, so that settings and the role are set for a transaction only, with SET
// LOCAL. While such a transaction is open, [Session].TxOpen is set, and a query needs no role of its own.
//
// # Session state
//
// [ResetSession], [ReseedRandom], [Session.DeallocateSQL] and [Session.CheckConstraintsSQL] return the
// SQL that removes what a migration leaves in its session. [Session.KeepaliveSQL] makes the server
// notice a lost client.
//
// # Callers
//
// Packages history, activity and lock, and those above them that run SQL: resume, dataloss, executor,
// diagnose, schema, toolrun. Package migrator opens the session through history.Open. An [Inspection]
// lets history read its tables in the first query of a session. Packages report and cli read the types
// of the errors.
package postgres
