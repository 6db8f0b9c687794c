# shellcheck shell=bash disable=SC2154 # engine and cache are steps.sh's
# The images, from what programs.sh and roots.sh leave.

# image TAG CONTEXT builds the Containerfile on its standard input.
image() {
	local file=$2.containerfile
	cat >"$file"
	"$engine" build --tag "$1" --file "$file" "$2"
	rm "$file"
}

save() { # FILE TAG...
	local file=$1 several=()
	shift
	[[ $engine != podman ]] || several=(--multi-image-archive --format docker-archive)
	"$engine" save "${several[@]}" --output "$file" "$@"
}

# control_plane writes preload.tar: every image that kubeadm names, under the name it asks for. They share one
# layer that holds all programs; only kube-proxy needs more. The name of the sandbox's image goes to a file.
control_plane() { # PROXY_TAR PROGRAM_DIRS... DIR
	local proxy=$1 dir=${*: -1} base=localhost/shiplock/control-plane:build name tags=()
	local context=$dir/context bin=$dir/context/usr/local/bin programs=("${@:2:$#-2}")
	mkdir -p "$bin"
	cp -al "${programs[@]/%//.}" "$bin"
	for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubeadm; do ln -s kubernetes "$bin/$name"; done
	image "$base" "$context" <<<$'FROM scratch\nCOPY usr /usr\nENV PATH=/usr/local/bin:/usr/sbin:/usr/bin'
	cp -al "$proxy" "$context/proxy.tar"
	for name in $("$bin/kubeadm" config images list --kubernetes-version "$(kubernetes_version)"); do
		tags+=("$name")
		case $name in
		*/coredns:*) image "$name" "$context" <<<"FROM $base"$'\nENTRYPOINT ["/usr/local/bin/coredns"]' ;;
		*/pause:*)
			image "$name" "$context" <<<"FROM $base"$'\nENTRYPOINT ["/usr/local/bin/pause"]'
			echo "$name" >"$dir/pause"
			;;
		*/kube-proxy:*) image "$name" "$context" <<<"FROM $base"$'\nADD proxy.tar /' ;;
		*) "$engine" tag "$base" "$name" ;;
		esac
	done
	save "$dir/preload.tar" "${tags[@]}"
	"$engine" rmi "${tags[@]}" "$base"
	rm -rf "$context"
}

node_image() { # TAG
	local programs=() program preload root module
	for module in kubernetes etcd coredns pause; do # the long one first
		program "$module"
		programs+=("$program")
	done
	root=$cache/root-$(hash_of roots.sh)
	make_once "$root" node_root
	preload=$cache/preload-$(hash_of kubernetes etcd coredns pause programs.sh roots.sh images.sh)
	make_once "$preload" control_plane "$root/proxy.tar" "${programs[@]}"
	program containerd
	step node-image node_image_from "$1" "$cache/context" "$root" "$preload" "${programs[0]}" "$program"
}

node_image_from() { # TAG CONTEXT ROOT PRELOAD KUBERNETES CONTAINERD
	local context=$2 files=$2/files name
	rm -rf "$context"
	mkdir -p "$context"
	cp -a files "$context"
	cp -al "$3/root.tar" "$4/preload.tar" "$context"
	cp -al "$5"/* "$6"/* "$files/usr/local/bin"
	mkdir -p "$files/usr/bin"
	for name in kubelet kubeadm kubectl; do ln -s ../local/bin/kubernetes "$files/usr/bin/$name"; done
	sed -i "s|@PAUSE@|$(<"$4/pause")|" "$files/etc/containerd/config.toml"
	kubernetes_version >"$files/kind/version"
	image "$1" "$context" <<-'EOT'
		FROM scratch
		ADD root.tar /
		COPY preload.tar /kind/
		COPY files /
		ENV container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		STOPSIGNAL SIGRTMIN+3
		ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
	EOT
	rm -rf "$context"
}

postgres_image() { # TAG
	local root
	root=$cache/postgres-$(hash_of roots.sh)
	make_once "$root" postgres_root
	step postgres-image postgres_image_from "$1" "$cache/context" "$root"
}

postgres_image_from() { # TAG CONTEXT ROOT
	local context=$2
	rm -rf "$context"
	mkdir -p "$context"
	cp -al "$3/postgres.tar" "$context"
	cp -a postgres/entrypoint "$context"
	image "$1" "$context" <<-'EOT'
		FROM scratch
		ADD postgres.tar /
		COPY entrypoint /usr/local/bin/
		ENV PATH=/usr/local/bin:/usr/bin PGDATA=/var/lib/postgresql/data/pgdata LANG=C.UTF-8
		USER 999:999
		EXPOSE 5432
		STOPSIGNAL SIGINT
		ENTRYPOINT ["/usr/local/bin/entrypoint"]
	EOT
	rm -rf "$context"
}
