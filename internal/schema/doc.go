// Package schema compares the schemas of databases. A [Fingerprint] is a snapshot of all objects with
// their definitions, which a [Reader] reads from the catalogs; two of them have [Difference] values.
//
// A Reader also prepares a scratch database for a rehearsal, and resets it ([Reader.AcquireScratch],
// [Reader.ResetScratch], [Reader.ReleaseScratch]). A database that is in use is a [NotScratchError].
//
// Package migrator calls it for rehearse, baseline and external tools; cli prints the differences.
package schema
