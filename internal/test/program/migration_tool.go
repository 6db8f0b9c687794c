package program

import (
	"fmt"
	"strings"
	"testing"
)

// A Migration is a migration in no specific format. Down may be empty.
type Migration struct {
	Version  int
	Up, Down string
	// NoTransaction reports whether the migration cannot run in a transaction.
	NoTransaction bool
}

// A MigrationTool is a migration tool's program.
type MigrationTool struct {
	Name, Version, Path string
	// Files returns the files of a migration in the tool's format, by name.
	Files func(Migration) map[string]string
	// Up returns the arguments that apply the migrations in dir, and Env the variables that it needs.
	Up  func(dir, url string) []string
	Env func(url string) []string
}

func noEnv(string) []string { return nil }

// Shiplock returns the migrator, of which path is the program.
func Shiplock(t testing.TB, path string) MigrationTool {
	t.Helper()
	return MigrationTool{
		Name: "shiplock", Version: strings.Fields(LastLine(t, path, "version"))[1], Path: path, Files: UpAndDownFiles,
		Up:  func(dir, _ string) []string { return []string{"up", "--source", dir} },
		Env: func(url string) []string { return []string{"DATABASE_URL=" + url} },
	}
}

// GolangMigrate returns golang-migrate's command.
func GolangMigrate(t testing.TB) MigrationTool {
	t.Helper()
	path := HackTool(t, "golang-migrate")
	return MigrationTool{
		Name: "golang-migrate", Version: LastLine(t, path, "-version"), Path: path, Files: UpAndDownFiles,
		Up:  func(dir, url string) []string { return []string{"-path", dir, "-database", url, "up"} },
		Env: noEnv,
	}
}

// Goose returns goose.
func Goose(t testing.TB) MigrationTool {
	t.Helper()
	path := HackTool(t, "goose")
	return MigrationTool{
		Name: "goose", Version: strings.TrimPrefix(LastLine(t, path, "-version"), "goose version: "), Path: path,
		Files: func(m Migration) map[string]string {
			return map[string]string{fmt.Sprintf("%05d_x.sql", m.Version): directive(m, "-- +goose NO TRANSACTION\n") + "-- +goose Up\n" + m.Up + down("-- +goose Down\n", m)}
		},
		Up:  func(dir, url string) []string { return []string{"-dir", dir, "-env", "none", "postgres", url, "up"} },
		Env: noEnv,
	}
}

// Tern returns tern.
func Tern(t testing.TB) MigrationTool {
	t.Helper()
	path := HackTool(t, "tern")
	return MigrationTool{
		Name: "tern", Version: strings.TrimPrefix(LastLine(t, path, "version"), "tern "), Path: path,
		Files: func(m Migration) map[string]string {
			return map[string]string{fmt.Sprintf("%05d_x.sql", m.Version): directive(m, "---- tern: disable-tx ----\n") + m.Up + down("---- create above / drop below ----\n", m)}
		},
		Up:  func(dir, url string) []string { return []string{"migrate", "--migrations", dir, "--conn-string", url} },
		Env: noEnv,
	}
}

// UpAndDownFiles returns a migration's files in the format of golang-migrate and Shiplock.
func UpAndDownFiles(m Migration) map[string]string {
	files := map[string]string{fmt.Sprintf("%05d_x.up.sql", m.Version): m.Up}
	if m.Down != "" {
		files[fmt.Sprintf("%05d_x.down.sql", m.Version)] = m.Down
	}
	return files
}

// directive returns the tool's directive if the migration cannot run in a transaction.
func directive(m Migration, text string) string {
	if m.NoTransaction {
		return text
	}
	return ""
}

// down returns the part of a file that has the down script, below its marker.
func down(marker string, m Migration) string {
	if m.Down == "" {
		return ""
	}
	return marker + m.Down
}
