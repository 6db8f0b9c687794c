package tools

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/program"
)

// An installation makes a tool's command available to a fixture.
type installation func(*fixture)

// debian finds a program of a Debian package.
func debian(name string) installation {
	return func(b *fixture) {
		_, err := exec.LookPath(name)
		require.NoError(b.t, err, "run hack/setup.sh tools")
	}
}

// goTool builds a tool of hack/tools, of which command is the name that its users know.
func goTool(name, command string) installation {
	return func(b *fixture) {
		dir := b.t.TempDir()
		require.NoError(b.t, os.Symlink(program.HackTool(b.t, name), filepath.Join(dir, command)))
		b.addPath(dir)
	}
}

// node installs the npm packages of a folder of hack/tools, and the Node of its folder npm: Debian's is too old for some.
func node(name string) installation {
	return func(b *fixture) {
		b.linkModules(name)
		b.addPath(filepath.Join(b.tool, "node_modules", ".bin"))
		found, err := filepath.Glob(filepath.Join(program.HackTool(b.t, "npm"), "node_modules", "node-linux-*", "bin"))
		require.NoError(b.t, err)
		if len(found) == 0 {
			b.t.Skip("the npm registry has no Node for this platform")
		}
		b.addPath(found[0])
	}
}

// debianNode installs npm packages for Debian's Node.
func debianNode(name string) installation {
	return func(b *fixture) {
		debian("node")(b)
		b.linkModules(name)
	}
}

// dbmate uses the program in the npm package.
func dbmate(b *fixture) {
	path := filepath.Join(program.HackTool(b.t, "npm"), "node_modules", "@dbmate", "linux-x64", "bin")
	if _, err := os.Stat(path); err != nil {
		b.t.Skip("the npm registry has no dbmate for this platform")
	}
	b.addPath(path)
}

// prisma replaces the native engine, which Prisma downloads, by the one in WebAssembly.
func prisma(b *fixture) {
	node("prisma")(b)
	b.env = append(b.env, "PRISMA_SCHEMA_ENGINE_BINARY="+filepath.Join(b.tool, "engine.mjs"), "CHECKPOINT_DISABLE=1")
}

// python installs Python packages.
func python(b *fixture) { b.addPath(filepath.Join(program.HackTool(b.t, "python"), "bin")) }

// flyway installs Flyway's Maven plugin.
func flyway(b *fixture) {
	b.tool = program.HackTool(b.t, "flyway")
	require.NoError(b.t, os.Symlink(filepath.Join(b.tool, "pom.xml"), filepath.Join(b.dir, "pom.xml")))
	b.env = append(b.env, "FLYWAY_URL="+b.jdbcURL(), "FLYWAY_USER="+b.User, "FLYWAY_PASSWORD="+b.Password, "FLYWAY_LOCATIONS=filesystem:sql",
		// The Java programs run for seconds: less compilation and one thread for the heap cost less than they save.
		"MAVEN_OPTS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
}

// liquibase installs Liquibase's libraries.
func liquibase(b *fixture) {
	debian("java")(b)
	b.tool = program.HackTool(b.t, "liquibase")
	b.Exec(b.t, fmt.Sprintf("ALTER ROLE %q PASSWORD 'plain-s3cret'", b.User)) // the command line interprets backslashes
	b.Password = "plain-s3cret"
	b.env = append(b.env, "JDBC_URL="+b.jdbcURL(), "LIQUIBASE_ANALYTICS_ENABLED=false")
}

// rust builds a tool of crates.io.
func rust(name string) installation {
	return func(b *fixture) {
		if _, err := exec.LookPath("cargo"); err != nil {
			b.t.Skip("no cargo here: hack/setup.sh does not install Rust for two tools")
		}
		b.addPath(filepath.Join(program.HackTool(b.t, name), "bin"))
	}
}

func (b *fixture) linkModules(name string) {
	b.tool = program.HackTool(b.t, name)
	require.NoError(b.t, os.Symlink(filepath.Join(b.tool, "node_modules"), filepath.Join(b.dir, "node_modules")))
}

func (b *fixture) addPath(dir string) {
	b.path = append(b.path, dir)
}

func (b *fixture) jdbcURL() string {
	return fmt.Sprintf("jdbc:postgresql://%s:%d/%s", b.Host, b.Port, url.PathEscape(b.Name))
}

func inShell(line string) []string { return []string{"sh", "-c", "exec " + line} }
