// Package batch sends the batches of a script to the server: statements as one query, or a COPY and
// its data. It determines which statement of a batch failed, from the position in the server's error
// and from markers between the statements, which the server reports as notices.
//
// A Sender sends the batches that package script returns. Package executor calls it, within the
// transactions that it opens.
package batch
