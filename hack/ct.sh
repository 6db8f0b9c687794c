#!/usr/bin/env bash
# Runs chart-testing (ct) on the chart.
#
#   hack/ct.sh lint [FLAGS of ct]      ct lint
#   hack/ct.sh install [FLAGS of ct]   ct install, in a namespace of the test cluster in which every file of chart/ci can be installed
#
# Environment: SHIPLOCK_CT_CLUSTER (default: the tests' cluster), SHIPLOCK_CT_NAMESPACE (default: shiplock-ct, recreated).
set -euo pipefail
cd "$(dirname "$0")/.."

cluster=${SHIPLOCK_CT_CLUSTER:-shiplock-test}
namespace=${SHIPLOCK_CT_NAMESPACE:-shiplock-ct}

need() { # PROGRAM HOW-TO-GET-IT
	command -v "$1" >/dev/null || { printf 'hack/ct.sh: %s is missing: %s\n' "$1" "$2" >&2 && exit 1; }
}

down() { go run ./hack/ct --cluster "$cluster" --namespace "$namespace" down; }

want_helm() { command -v helm >/dev/null || PATH=$(dirname "$(hack/tools/install.sh helm3)"):$PATH; }

install() {
	need kubectl 'ct uses it'
	want_helm
	go run ./hack/ct --cluster "$cluster" --namespace "$namespace" up
	trap down EXIT
	local environment # a separate command, so that a failure ends the script before ct uses another cluster
	environment=$(go run ./hack/cluster --name "$cluster" env)
	eval "$environment"
	# The chart's images are in the cluster with the registry name that the engine gives to local images.
	ct install --config ct.yaml --namespace "$namespace" --helm-extra-set-args=--set=global.imageRegistry=localhost "$@"
}

case ${1-} in
lint | install)
	need ct 'chart-testing, https://github.com/helm/chart-testing#installation
  (or go install github.com/helm/chart-testing/v3/ct@latest). make test also lints the chart and
  installs it with each file of chart/ci.'
	;;
*)
	sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
	exit 2
	;;
esac
command=$1
shift
if [[ $command == lint ]]; then
	need yamllint 'apt-get install yamllint, or pip install yamllint'
	need yamale 'pip install yamale'
	want_helm
	exec ct lint --config ct.yaml "$@"
fi
install "$@"
