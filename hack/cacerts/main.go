// Command cacerts prints Mozilla's list of certificate authorities as PEM, for an
// image without an operating system. The list is part of a Go module, so that the
// image's content depends on go.sum and not on the machine that builds it.
package main

import (
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cacerts:", err)
		os.Exit(1)
	}
}

func run() error {
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // trusted for older certificates only, which a PEM file cannot express
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	return nil
}
