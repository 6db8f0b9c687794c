// Package resume determines where a partially applied migration resumes, and prepares the session
// for it.
//
// A Resumer reads the history row of the interrupted run: ResumePoint returns how many statements
// were applied, SessionAt the SQL that restores the state of the session, such as its search_path,
// and FindLeftovers what a statement that refuses a transaction left in the database. Package
// executor resumes a run with it, and packages migrator and report use it to plan and to describe
// one.
package resume
