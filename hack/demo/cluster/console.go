package main

import (
	"fmt"
	"os"
)

func title(text string) {
	fmt.Printf("\n%s\n\n", bold(text))
}

// paragraph prints a paragraph.
func paragraph(lines ...string) {
	for _, line := range lines {
		fmt.Println(line)
	}
	fmt.Println()
}

// bold returns the text in bold on a terminal, and unchanged otherwise.
func bold(text string) string {
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\033[1m" + text + "\033[0m"
}
