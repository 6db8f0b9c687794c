// Package output prints the findings of migrator check in the formats of --output: text, JSON,
// SARIF, GitLab's code quality report, and Markdown for a comment in a pull request.
//
// Write prints a check.Result in one Format. Annotations in GitHub Actions are those of package
// notify/github. Package cli calls Write.
package output
