package main

import (
	"fmt"
	"os"
)

func title(out *os.File, text string) {
	fmt.Fprintf(out, "\n%s\n\n", bold(out, text))
}

// paragraph prints a paragraph.
func paragraph(out *os.File, lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
}

// bold returns the text in bold on a terminal, and unchanged otherwise.
func bold(out *os.File, text string) string {
	if !isTerminal(out) || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\033[1m" + text + "\033[0m"
}

func isTerminal(out *os.File) bool {
	info, err := out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
