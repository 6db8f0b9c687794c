// Package tools has only tests. They run external migration tools with migrator exec.
package tools
