// Package gitbase reads the migration files of another commit, the base, with the git program.
//
// Open resolves a ref, lists its files in the migrations directory, and finds the commit at which
// the branches diverged, if git has it: a shallow clone needs only the commit of the ref itself.
// Base.Read returns the content of files. Package check compares them with the files on disk.
package gitbase

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" // git's object names are SHA-1; they are compared, not trusted
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A Base is a commit that the migration files are compared with.
type Base struct {
	Ref    string // as the user wrote it
	Commit string // full object name
	// Files maps the names of files in the migrations directory to their object names.
	Files map[string]string
	// Common has the files at the commit at which the branches diverged, like Files. It is nil if
	// git does not have that commit, as in a shallow clone.
	Common map[string]string
	// Directory is the migrations directory, relative to the root of the work tree, with slashes.
	Directory string

	dir string
}

// An Error reports that a base cannot be read.
type Error struct {
	Ref     string
	Problem string
	Advice  string // an imperative; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("cannot read base %s: %s", e.Ref, e.Problem) }

// ErrNoRepository reports that a directory is not in a git work tree, or that git is not installed.
var ErrNoRepository = errors.New("not in a git work tree")

// DefaultRef returns the ref of the remote's default branch, such as "origin/main"; "" if the clone
// does not record it. The error is ErrNoRepository.
func DefaultRef(ctx context.Context, dir string) (string, error) {
	if _, err := git(ctx, dir, "rev-parse", "--is-inside-work-tree"); err != nil {
		return "", ErrNoRepository
	}
	out, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--abbrev-ref", "origin/HEAD")
	if err != nil {
		return "", nil // the clone records no default branch
	}
	return strings.TrimSpace(out), nil
}

// Open reads the names of the files that the commit of ref has in dir. Errors are *Error.
func Open(ctx context.Context, dir, ref string) (*Base, error) {
	b := &Base{Ref: ref, dir: dir}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, &Error{Ref: ref, Problem: "the git program is not installed", Advice: "install git, or run migrator check without --base"}
	}
	prefix, err := git(ctx, dir, "rev-parse", "--show-prefix")
	if err != nil {
		return nil, &Error{Ref: ref, Problem: problem(err), Advice: "run migrator check in a clone of the repository"}
	}
	b.Directory = path.Clean(strings.TrimSuffix(prefix, "\n"))
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, &Error{Ref: ref, Problem: "git has no such commit", Advice: "fetch it first; a shallow fetch suffices: " + fetchCommand(ref)}
	}
	b.Commit = strings.TrimSpace(commit)
	if b.Files, err = b.list(ctx, b.Commit); err != nil {
		return nil, &Error{Ref: ref, Problem: problem(err)}
	}
	common, err := git(ctx, dir, "merge-base", b.Commit, "HEAD")
	if err != nil {
		return b, nil // a shallow clone, or unrelated histories
	}
	if b.Common, err = b.list(ctx, strings.TrimSpace(common)); err != nil {
		return nil, &Error{Ref: ref, Problem: problem(err)}
	}
	return b, nil
}

// fetchCommand returns the command that fetches the commit of a ref such as origin/main.
func fetchCommand(ref string) string {
	remote, branch, found := strings.Cut(ref, "/")
	if !found || remote != "origin" {
		return "git fetch --depth=1 origin " + ref
	}
	return fmt.Sprintf("git fetch --depth=1 origin +%[1]s:refs/remotes/origin/%[1]s", branch)
}

// list returns the files of a commit in the migrations directory, without subdirectories.
func (b *Base) list(ctx context.Context, commit string) (map[string]string, error) {
	tree := commit + ":"
	if b.Directory != "." {
		tree += b.Directory
	}
	if _, err := git(ctx, b.dir, "rev-parse", "--verify", "--quiet", "--end-of-options", tree); err != nil {
		return map[string]string{}, nil // the commit has no such directory
	}
	out, err := git(ctx, b.dir, "ls-tree", "-z", "--full-tree", tree)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		attributes, name, found := strings.Cut(entry, "\t")
		fields := strings.Fields(attributes)
		if found && len(fields) == 3 && fields[1] == "blob" {
			files[name] = fields[2]
		}
	}
	return files, nil
}

// Read returns the contents of objects, in the order of their names.
func (b *Base) Read(ctx context.Context, objects []string) ([][]byte, error) {
	cmd := exec.CommandContext(ctx, "git", "-C", b.dir, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(strings.Join(objects, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, &Error{Ref: b.Ref, Problem: problem(gitError(err, stderr.String()))}
	}
	contents := make([][]byte, 0, len(objects))
	for r := bufio.NewReader(bytes.NewReader(out)); len(contents) < len(objects); {
		header, err := r.ReadString('\n')
		if err != nil {
			return nil, &Error{Ref: b.Ref, Problem: "git returned an incomplete object"}
		}
		fields := strings.Fields(header)
		if len(fields) != 3 {
			return nil, &Error{Ref: b.Ref, Problem: "git does not have object " + strings.TrimSpace(header), Advice: "fetch the commit again: " + fetchCommand(b.Ref)}
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, &Error{Ref: b.Ref, Problem: "git returned an object of unknown size"}
		}
		content := make([]byte, size+1) // git ends each object with a line break
		if _, err := io.ReadFull(r, content); err != nil {
			return nil, &Error{Ref: b.Ref, Problem: "git returned an incomplete object"}
		}
		contents = append(contents, content[:size])
	}
	return contents, nil
}

// IsObject reports whether a file's content is the object with this name.
func IsObject(object string, content []byte) bool {
	header := fmt.Appendf(nil, "blob %d\x00", len(content))
	if len(object) == 2*sha256.Size {
		sum := sha256.Sum256(append(header, content...))
		return hex.EncodeToString(sum[:]) == object
	}
	sum := sha1.Sum(append(header, content...))
	return hex.EncodeToString(sum[:]) == object
}

// Tracks reports whether git's index has a file of the migrations directory.
func (b *Base) Tracks(ctx context.Context, file string) bool {
	_, err := git(ctx, b.dir, "ls-files", "--error-unmatch", "--", file)
	return err == nil
}

// Move renames a tracked file with git mv.
func (b *Base) Move(ctx context.Context, from, to string) error {
	if _, err := git(ctx, b.dir, "mv", "--", from, to); err != nil {
		return fmt.Errorf("git mv %s: %w", filepath.Join(b.dir, from), err)
	}
	return nil
}

// git runs git in a directory and returns its standard output.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", gitError(err, stderr.String())
	}
	return string(out), nil
}

// gitError returns the error of a git program with its message.
func gitError(err error, stderr string) error {
	if stderr = strings.TrimSpace(stderr); stderr != "" {
		return errors.New(stderr)
	}
	return err
}

// problem returns git's message in one line.
func problem(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "fatal: ")), " ")
}
