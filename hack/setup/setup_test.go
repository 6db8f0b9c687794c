// Package setup tests hack/setup.sh on file systems of its own, with programs in place of apt-get, sudo, and id.
package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	debian = "ID=debian\nVERSION_CODENAME=bookworm\n"
	ubuntu = "PRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"
	fedora = "ID=fedora\n"
)

// Programs of the machine. Each package's program is created by aptGet.
const (
	aptGet = `#!/bin/bash
echo "apt-get $*" >>"$LOG"
[[ ! -e $FAIL ]] || { echo "E: Unable to locate package postgresql" >&2; exit 100; }
[[ $1 != install ]] || for package; do case $package in
  gcc|make|git|podman|runc|mmdebstrap|shellcheck|yamllint) ln -s /bin/true "$BIN/$package" ;;
  prometheus) ln -s /bin/true "$BIN/promtool" ;;
  postgresql) [[ -e $ROOT/etc/postgresql-common/createcluster.conf && -e $ROOT/usr/sbin/policy-rc.d ]] && mkdir -p $ROOT/usr/lib/postgresql/15/bin && touch $ROOT/usr/lib/postgresql/15/bin/initdb ;;
esac; done
`
	sudo = `#!/bin/bash
echo "sudo $*" >>"$LOG"
[[ $1 == -n ]] && shift || { echo "sudo: a password is required" >&2; exit 1; }
exec "$@"
`
	sudoWithPassword = `#!/bin/bash
echo "sudo: a password is required" >&2; exit 1
`
	goProgram = `#!/bin/bash
echo "${GO_VERSION:-go1.26.8}"
`
)

// machine is a machine without any of the prerequisites.
type machine struct {
	release  string // /etc/os-release
	root     bool   // whether the user is root
	sudo     string // the program; empty for none
	env      []string
	failing  bool // apt-get fails
	existing []string
}

// result is what hack/setup.sh did.
type result struct {
	code int
	err  string
	// log has the calls of apt-get and sudo.
	log  string
	root string
}

func (m machine) setup(t *testing.T, parts ...string) result {
	t.Helper()
	dir := t.TempDir()
	bin, root, log := filepath.Join(dir, "bin"), filepath.Join(dir, "root"), filepath.Join(dir, "log")
	write := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	}
	for _, name := range []string{"bash", "sh", "dirname", "sort", "env", "tee", "mkdir", "rm", "chmod", "mktemp", "tail", "sed", "ln", "touch", "true"} {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		write(filepath.Join(bin, name), "#!/bin/bash\nexec "+path+` "$@"`+"\n")
	}
	write(filepath.Join(bin, "go"), goProgram)
	write(filepath.Join(bin, "id"), map[bool]string{true: "#!/bin/bash\necho 0\n", false: "#!/bin/bash\necho 1000\n"}[m.root])
	if m.sudo != "" {
		write(filepath.Join(bin, "sudo"), m.sudo)
	}
	if m.release != fedora {
		write(filepath.Join(bin, "apt-get"), aptGet)
	}
	for _, name := range m.existing {
		write(filepath.Join(bin, name), "#!/bin/bash\n")
	}
	write(filepath.Join(root, "etc/os-release"), m.release)
	require.NoError(t, os.MkdirAll(filepath.Join(root, "usr/sbin"), 0o755))
	write(filepath.Join(root, "var/lib/apt/lists/main_Packages"), "")
	write(log, "")
	if m.failing {
		write(filepath.Join(dir, "fail"), "")
	}
	cmd := exec.CommandContext(t.Context(), "/bin/bash", append([]string{"../setup.sh"}, parts...)...)
	cmd.Env = append([]string{"PATH=" + bin, "BIN=" + bin, "ROOT=" + root, "LOG=" + log, "FAIL=" + filepath.Join(dir, "fail"),
		"SHIPLOCK_SETUP_ROOT=" + root, "TMPDIR=" + dir}, m.env...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	return result{cmd.ProcessState.ExitCode(), out.String(), string(text), root}
}

func TestSetup_PrivilegedUser_Installs(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]machine{
		"Debian, root":                      {release: debian, root: true},
		"Ubuntu, root":                      {release: ubuntu, root: true},
		"Ubuntu, sudo without password":     {release: ubuntu, sudo: sudo},
		"root with a sudo that needs one":   {release: debian, root: true, sudo: sudoWithPassword},
		"CI is set to anything":             {release: debian, root: true, env: []string{"CI=false"}},
		"a proxy, which sudo does not pass": {release: debian, sudo: sudo, env: []string{"http_proxy=http://127.0.0.1:3128"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := m.setup(t, "go", "server", "engine", "node")
			assert.Zero(t, got.code, got.err)
			assert.Equal(t, "hack/setup.sh: apt-get installs gcc libc6-dev (the SQL parser is C), make (runs the targets), git (reports the version), "+
				"postgresql (server programs), podman (runs the cluster), runc (runtime of podman), "+
				"mmdebstrap (builds the node's file system where no registry answers)\n", got.err, "one line that has names and reasons")
			assert.Contains(t, got.log, "apt-get update -q")
			assert.Contains(t, got.log, "gcc libc6-dev make git postgresql podman runc mmdebstrap")
			assert.NoFileExists(t, filepath.Join(got.root, "usr/sbin/policy-rc.d"), "services may start again")
			if m.sudo == sudo {
				assert.Equal(t, 1, strings.Count(got.log, "sudo -n true\n"))
				for _, variable := range m.env {
					assert.Contains(t, got.log, "sudo -n env DEBIAN_FRONTEND=noninteractive LC_ALL=C "+variable)
				}
			} else {
				assert.NotContains(t, got.log, "sudo")
			}
		})
	}
}

func TestSetup_NothingMissing_IsSilent(t *testing.T) {
	t.Parallel()
	got := machine{release: debian, root: true, existing: []string{"gcc", "make", "git"}}.setup(t, "go")
	assert.Equal(t, result{root: got.root}, got)
}

func TestSetup_UnprivilegedUser_PrintsCommand(t *testing.T) {
	t.Parallel()
	const command = "Run: sudo apt-get update && sudo apt-get install --no-install-recommends gcc libc6-dev make git postgresql\n"
	for name, m := range map[string]machine{
		"no sudo":                     {release: debian},
		"Ubuntu, no sudo":             {release: ubuntu},
		"sudo that needs a password":  {release: ubuntu, sudo: sudoWithPassword},
		"the user wants no installer": {release: debian, sudo: sudo, env: []string{"SHIPLOCK_INSTALL=no"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := m.setup(t, "go", "server")
			assert.Equal(t, 1, got.code)
			assert.True(t, strings.HasSuffix(got.err, command), got.err)
			assert.Empty(t, got.log, "nothing is installed")
		})
	}
}

func TestSetup_RootWithoutConsent_CommandHasNoSudo(t *testing.T) {
	t.Parallel()
	got := machine{release: debian, root: true, env: []string{"SHIPLOCK_INSTALL=no"}}.setup(t, "lint")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "Run: apt-get update && apt-get install --no-install-recommends shellcheck yamllint prometheus\n")
}

func TestSetup_OtherDistribution_NamesPackages(t *testing.T) {
	t.Parallel()
	got := machine{release: fedora, root: true}.setup(t, "go")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "  gcc libc6-dev (the SQL parser is C)\n")
	assert.Contains(t, got.err, "Install them with this system's package manager; the names are Debian's.\n")
	assert.NotContains(t, got.err, "apt-get")
}

func TestSetup_OldGo_NamesVersion(t *testing.T) {
	t.Parallel()
	got := machine{release: debian, root: true, env: []string{"GO_VERSION=go1.19.8"}, existing: []string{"gcc", "make", "git"}}.setup(t, "go")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "Go 1.26 or newer (found: 1.19.8)")
	assert.Empty(t, got.log, "apt-get has no newer Go")
}

func TestSetup_AptGetFails_PrintsCauseAndCommand(t *testing.T) {
	t.Parallel()
	got := machine{release: debian, root: true, failing: true}.setup(t, "server")
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "E: Unable to locate package postgresql\n")
	assert.Contains(t, got.err, "run: apt-get update && apt-get install --no-install-recommends postgresql\n")
}

func TestSetup_UnknownPart_IsUsageError(t *testing.T) {
	t.Parallel()
	got := machine{release: debian, root: true}.setup(t, "nodes")
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.err, "unknown part: nodes")
}
