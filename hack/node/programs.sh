# shellcheck shell=bash disable=SC2154 # cache is steps.sh's
# Programs from the Go modules in the folders beside this file.

kubernetes_version() { awk '$1 == "k8s.io/kubernetes" {print $2}' kubernetes/go.mod; }

# program MODULE makes the programs of one module, once, and sets program to the folder that holds them.
program() {
	program=$cache/$1-$(hash_of "$1" programs.sh)
	make_once "$program" compile "$1"
}

compile() { # MODULE DIR
	local flags="-s -w" packages=(.) package name
	case $1 in
	kubernetes) flags+=$(kubernetes_flags) ;;
	etcd) packages=(go.etcd.io/etcd/server/v3) ;;
	containerd) packages=(github.com/containerd/containerd/v2/cmd/{containerd,containerd-shim-runc-v2,ctr}) ;;
	esac
	for package in "${packages[@]}"; do
		name=${package##*/}
		[[ ${#packages[@]} -gt 1 ]] || name=$1
		CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -C "$1" -trimpath -ldflags "$flags" -o "$2/$name" "$package"
	done
}

# kubernetes_flags stamps the version: kubeadm decides by it, and the binary itself does not know.
kubernetes_flags() {
	local version minor
	version=$(kubernetes_version)
	minor=$(cut -d. -f2 <<<"$version")
	printf ' -X k8s.io/component-base/version.%s' "gitVersion=$version" "gitMajor=1" "gitMinor=$minor" gitTreeState=clean
}
