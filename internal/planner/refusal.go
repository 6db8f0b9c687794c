package planner

// A Refusal is an error of planning that a retry does not fix.
type Refusal struct {
	Reason string // one line
	Why    string // cause
	Next   string // advice
}

func (r *Refusal) Error() string { return r.Reason }
