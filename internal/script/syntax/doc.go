// Package syntax reads names and options in the syntax trees of PostgreSQL's parser, and writes
// names as SQL. Its functions take nodes of pg_query_go: QuoteName, QuoteQualified and QuoteRelation
// write a name, and WalkNodes visits the nodes of a statement. Packages script, lint, dataloss,
// resume and diagnose call it.
package syntax
