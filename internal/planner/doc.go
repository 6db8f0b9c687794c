// Package planner decides which migrations to run. It is pure: a catalog, a state and a
// policy give a plan or a refusal, without any I/O.
//
// [ForUp], [ForDown] and [ForDownToFiles] return a [Plan] with its steps, or a [*Refusal]. The
// commands call them before they take the lock, and again under it.
package planner
