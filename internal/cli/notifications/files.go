package notifications

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// secretFile returns the content of a file without surrounding white space.
func secretFile(option, file string) (string, error) {
	text, err := read(file)
	if err != nil {
		return "", usageErrorf("%s: %v", option, err)
	}
	if s := strings.TrimSpace(string(text)); s != "" {
		return s, nil
	}
	return "", usageErrorf("%s: %s is empty", option, file)
}

// maxFile is the maximum size of a file of the user.
const maxFile = 256 << 10

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than 256 kB", file)
	}
	return text, err
}
