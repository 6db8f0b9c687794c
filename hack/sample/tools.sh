#!/usr/bin/env bash
# Builds an image with external migration tools: Node with node-pg-migrate, and Alembic.
#
#   hack/sample/tools.sh localhost/shiplock/tools:dev
#
# The tools come from Debian and npm packages, because a registry may not be reachable. An existing image is not rebuilt.
# Environment: SHIPLOCK_ENGINE (docker or podman; default: podman).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=hack/node/roots.sh
source hack/node/roots.sh

tag=$1
engine=${SHIPLOCK_ENGINE:-podman}
command -v apt-get >/dev/null || { echo "hack/sample/tools.sh: apt-get not found; run this script on Debian or Ubuntu" >&2 && exit 1; }
modules=$(hack/tools/install.sh node-pg-migrate)/node_modules
key=$(cat hack/sample/tools.sh hack/node/roots.sh hack/tools/node-pg-migrate/package-lock.json | sha256sum | cut -c1-32)
if [[ $("$engine" image inspect --format '{{index .Config.Labels "shiplock.key"}}' "$tag" 2>/dev/null) == "$key" ]]; then
	exit
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unpack "$dir/files" nodejs alembic python3-psycopg2 >&2
rm -rf "$dir"/files/usr/share/{doc,man,locale,info} "$dir"/files/var/cache
mkdir -p "$dir/files/app/node_modules"
tar -C "$modules" --exclude=./yarn --exclude=./.bin -cf - . | tar -C "$dir/files/app/node_modules" -xf -
cat >"$dir/Containerfile" <<'EOT'
FROM scratch
COPY files /
ENV PATH=/usr/local/bin:/usr/bin:/bin
WORKDIR /app
ENTRYPOINT ["node"]
EOT
"$engine" build --quiet --label "shiplock.key=$key" --tag "$tag" --file "$dir/Containerfile" "$dir" >&2
