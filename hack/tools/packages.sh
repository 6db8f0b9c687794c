# shellcheck shell=bash
# Installs the tools of other registries than Go's, for install.sh, which sources this file. A file in the tool's folder
# pins the versions and decides how:
#
#   package-lock.json   npm; prints the folder that has node_modules
#   requirements.txt    pip, with hashes, into a virtual environment; prints the folder that has bin
#   pom.xml             Maven, compared with jars.sha256; prints the folder that has the jars, or the repository of a plugin (repo)
#   crate.sha256        cargo, with the lock file in the crate; prints the folder that has bin
#
# A tool is cached under a hash of its folder, of this file, and of what else decides the result. No script of an npm package runs.

# need PROGRAM... checks that programs exist.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || die "$program not found, which installs $name; run hack/setup.sh tools"
  done
}

npm_packages() {
  need node npm
  cp "$here/$name"/* "$1"
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
}

# The Python is Debian's, which setup.sh installs, not the first one in PATH.
python_packages() {
  /usr/bin/python3 -m venv "$1" >&2 || die "/usr/bin/python3 creates no virtual environment; run hack/setup.sh tools"
  "$1/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement "$here/$name/requirements.txt" >&2
}

maven_packages() {
  need java mvn
  cp "$here/$name/pom.xml" "$1"
  local goal=(org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=jars) repo=.copied
  if grep -q '<plugin>' "$1/pom.xml"; then # a goal that does nothing resolves the plugin
    goal=(flyway:info -Dflyway.skip=true) repo=repo
  fi
  # Maven 3 prints escape sequences even if it prints nothing else.
  (cd "$1" && mvn --batch-mode --quiet "-Dmaven.repo.local=$1/$repo" "${goal[@]}" 2>&1 | sed $'s/\e\\[[0-9;]*m//g' && sha256sum --check --quiet "$here/$name/jars.sha256") >&2
  rm -rf "$1/.copied"
}

# Without optimizations and debug information the build takes a third of the time.
rust_packages() {
  need cargo
  local crate
  crate=$(sed 's/.* //; s/\.crate$//' "$here/$name/crate.sha256")
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$1/target" \
    cargo install --quiet --debug --locked --root "$1" --no-default-features --features postgres "${crate%-*}@${crate##*-}" >&2
  (cd "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/ && sha256sum --check --quiet "$here/$name/crate.sha256") >&2
  rm -rf "$1/target"
}

# installer prints the function that installs the tool in the current folder.
installer() {
  if [[ -f package-lock.json ]]; then
    echo npm_packages
  elif [[ -f requirements.txt ]]; then
    echo python_packages
  elif [[ -f pom.xml ]]; then
    echo maven_packages
  elif [[ -f crate.sha256 ]]; then
    echo rust_packages
  fi
}

# packages NAME prints the folder of a tool, and installs it if necessary.
packages() {
  local name=$1 install key folder
  cd "$here/$name"
  install=$(installer)
  # The Python is part of the key because a virtual environment consists of links to it.
  key=$(find . -type f -not -path '*/node_modules/*' -print0 | sort -z | xargs -0 cat "$here/packages.sh" <(uname -m; readlink -f /usr/bin/python3 || true) | git hash-object --stdin)
  folder=$cache/$name/$key
  if [[ ! -e $folder/.complete ]]; then
    need flock
    mkdir -p "$cache/$name"
    (
      flock 9
      if [[ ! -e $folder/.complete ]]; then # another process may have installed it while this one waited
        # A virtual environment cannot be moved: the folder has its name from the start.
        rm -rf "$folder"
        mkdir "$folder"
        "$install" "$folder"
        touch "$folder/.complete"
      fi
    ) 9>"$cache/$name/.lock"
  fi
  printf '%s\n' "$folder"
}
