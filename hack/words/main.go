// Words checks the wording of code, chart, scripts and file names: it reports each word that the Vale style in hack/vale/styles
// bans, with its replacement. Vale itself reads the documents.
//
//	go run ./hack/words             counts per folder
//	go run ./hack/words PATH...     the occurrences in these files and folders; "." has all
//
// It exits with 1 if there are any. An exception is a line of hack/words/exceptions.yaml, with its reason.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	os.Exit(code)
}

func run(paths []string) (int, error) {
	root, err := moduleRoot()
	if err != nil {
		return 0, err
	}
	checker, err := NewChecker(filepath.Join(root, "hack/vale/styles/Shiplock"), filepath.Join(root, "hack/words/exceptions.yaml"))
	if err != nil {
		return 0, err
	}
	hits, err := checker.Check(root, relative(root, paths))
	if err != nil {
		return 0, err
	}
	if len(paths) == 0 {
		printCounts(hits)
	}
	for _, hit := range hits {
		if len(paths) > 0 {
			fmt.Println(hit)
		}
	}
	unused := 0
	if len(paths) == 1 && paths[0] == "." {
		for _, exception := range checker.Unused() {
			unused++
			fmt.Println(exception)
		}
	}
	if len(hits)+unused > 0 {
		return 1, nil
	}
	return 0, nil
}

func printCounts(hits []Hit) {
	counts := map[string]int{}
	for _, hit := range hits {
		counts[filepath.Dir(hit.File)]++
	}
	var folders []string
	for folder := range counts {
		folders = append(folders, folder)
	}
	sort.Strings(folders)
	for _, folder := range folders {
		fmt.Printf("%6d  %s\n", counts[folder], folder)
	}
	fmt.Printf("%6d  in all\n", len(hits))
}

// moduleRoot returns the nearest folder upwards that has a go.mod.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("no go.mod in a parent folder")
		}
		folder = parent
	}
}

// relative returns the paths relative to the root, for git.
func relative(root string, paths []string) []string {
	var out []string
	for _, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return paths
		}
		fromRoot, err := filepath.Rel(root, absolute)
		if err != nil {
			return paths
		}
		out = append(out, fromRoot)
	}
	return out
}
