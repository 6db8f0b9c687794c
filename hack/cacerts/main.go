// Command cacerts prints the certificate authorities of Mozilla's list as PEM, for
// an image that has no operating system to bring them. The list comes with a Go
// module, so that an image's content follows from go.sum and not from the machine
// that builds it.
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
			continue // trusted for older certificates only, which a PEM file cannot say
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	return nil
}
