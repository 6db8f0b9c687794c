package planner

// A Policy has the user's settings.
type Policy struct {
	OnNewer    OnNewer
	OutOfOrder OutOfOrder
	OnEdited   OnEdited
	// RequireDown refuses to apply migrations without a down file.
	RequireDown bool
}

// OnNewer is the action for a database that is ahead of the files.
type OnNewer string

// The values of OnNewer.
const (
	AllowNewer OnNewer = "allow" // log it and do nothing: after a rollback of the release an older image must be able to start
	FailNewer  OnNewer = "fail"
	DownNewer  OnNewer = "down" // roll back the migrations above the files
)

// OutOfOrder is the action for a pending migration below the database's version, one that
// was merged late.
type OutOfOrder string

// The values of OutOfOrder.
const (
	FailOutOfOrder  OutOfOrder = "fail"
	ApplyOutOfOrder OutOfOrder = "apply"
)

// OnEdited is the action for an applied migration whose file was edited.
type OnEdited string

// The values of OnEdited.
const (
	FailEdited  OnEdited = "fail"
	AllowEdited OnEdited = "allow"
)
