# shellcheck shell=bash disable=SC1091 # /etc/os-release is the machine's
# Root file systems from Debian packages, from the machine's own apt sources.

readonly node_packages=systemd,systemd-sysv,dbus,iptables,iproute2,kmod,procps,mount,util-linux,hostname,runc,containernetworking-plugins

debootstrap() { # PACKAGES DIR
	local origin sources skip=() path
	origin=$(. /etc/os-release && echo "${ID^}")
	sources=$(apt-get indextargets --format "deb \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
		'Created-By: Packages' "Origin: $origin" | sort -u)
	[[ -n $sources ]] || die "apt knows no $origin packages: run apt-get update"
	apt-config dump Acquire >"$2.apt" # proxies, and what else this machine needs to reach them
	for path in doc info man locale lintian bug; do skip+=("--dpkgopt=path-exclude=/usr/share/$path/*"); done
	mmdebstrap --mode=root --variant=minbase --include="$1" --aptopt="$2.apt" "${skip[@]}" \
		"$(. /etc/os-release && echo "$VERSION_CODENAME")" "$2/root" - <<<"$sources"
	rm "$2.apt"
}

# node_root makes root.tar, what the node boots, and proxy.tar, the few files of it that kube-proxy runs.
node_root() {
	debootstrap "$node_packages" "$1"
	local root=$1/root unit
	# a node has no hardware, no log-in and no clock of its own
	for unit in systemd-udevd.service systemd-logind.service systemd-timesyncd.service getty.target \
		console-getty.service systemd-remount-fs.service dev-hugepages.mount sys-kernel-debug.mount \
		sys-kernel-tracing.mount systemd-modules-load.service systemd-update-utmp.service apt-daily.timer \
		apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
	mkdir -p "$root/opt/cni" && ln -s /usr/lib/cni "$root/opt/cni/bin"
	: >"$root/etc/machine-id"
	rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/* "$root"/var/log/*
	tar -C "$root" --numeric-owner --exclude='./dev/*' -cf "$1/root.tar" .

	closure "$root" "$1/proxy" usr/sbin/xtables-nft-multi "$(cd "$root" && echo usr/lib/*/xtables)"
	local name
	for name in iptables ip6tables; do
		for suffix in '' -save -restore; do ln -s xtables-nft-multi "$1/proxy/usr/sbin/$name$suffix"; done
	done
	tar -C "$1/proxy" --numeric-owner -cf "$1/proxy.tar" .
	rm -rf "$root" "$1/proxy"
}

# postgres_root makes postgres.tar: the server, its extensions and psql with the libraries they load. The JIT
# is left out: it needs LLVM, which is larger than everything else together.
postgres_root() {
	local root=$1/root out=$1/out bin program
	unpack "$root" postgresql dash coreutils sed libc-bin tzdata
	rm -rf "$root"/usr/lib/postgresql/*/lib/{bitcode,llvmjit*}
	bin=$(cd "$root" && echo usr/lib/postgresql/*/bin)
	closure "$root" "$out" "$bin"/{initdb,postgres,psql,pg_isready} "${bin%/bin}/lib" usr/share/postgresql \
		usr/share/zoneinfo usr/lib/locale usr/bin/{dash,mv,rm,sed,locale}
	ln -s dash "$out/usr/bin/sh"
	for program in initdb postgres psql pg_isready; do ln -s "/$bin/$program" "$out/usr/bin/$program"; done
	mkdir -p "$out"/{etc,tmp,var/run/postgresql,var/lib/postgresql/data}
	chmod 1777 "$out"/{tmp,var/run/postgresql,var/lib/postgresql/data}
	printf 'root:x:0:0::/:\npostgres:x:999:999::/var/lib/postgresql:\n' >"$out/etc/passwd"
	printf 'root:x:0:\npostgres:x:999:\n' >"$out/etc/group"
	tar -C "$out" --numeric-owner -cf "$1/postgres.tar" .
	rm -rf "$root" "$out"
}

# unpack DIR PACKAGE...: the files of packages and of what they depend on. None of their scripts runs, so
# nothing is configured or started; the machine's own apt fetches them, as if it had no package yet.
unpack() {
	local root=$1 lib deb
	shift
	mkdir -p "$root".debs/partial "$root"/usr/{bin,sbin,lib,lib64}
	for lib in bin sbin lib lib64; do ln -s "usr/$lib" "$root/$lib"; done
	apt-get install --yes --no-install-recommends --download-only -o Dir::State::status=/dev/null \
		-o Dir::Cache::archives="$root.debs" -o APT::Sandbox::User=root -o Debug::NoLocking=true "$@"
	for deb in "$root".debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -C "$root" --keep-directory-symlink -xf -
	done
	rm -rf "$root.debs"
}

# closure ROOT OUT PATH...: copies paths of ROOT, and every shared library that they load, into OUT.
closure() {
	local root=$1 out=$2 lib loader libs
	shift 2
	mkdir -p "$out"/usr/{bin,sbin,lib,lib64}
	for lib in bin sbin lib lib64; do ln -s "usr/$lib" "$out/$lib"; done
	loader=$(compgen -G "$root/lib*/ld-linux*.so.*" | head -n 1)
	libs=$(dirname "$(compgen -G "$root/usr/lib/*/libc.so.6")")
	(
		cd "$root" || exit
		{
			find "$@" -type f -o -type l
			find -L "$@" -type f \( -perm -u+x -o -name '*.so*' \) -print0 | loaded
			echo "${loader#"$root/"}"
		} | sort -u | tar --dereference --no-recursion -cf - -T - | tar -C "$out" -xf -
	)
	# what was copied must now do without ROOT
	for lib; do
		[[ ! -f $root/$lib ]] || "$out/${loader#"$root/"}" --inhibit-cache --library-path "$out/${libs#"$root/"}" --list "$out/$lib"
	done
}

# loaded reads names of files, separated by NULs, and prints the libraries they load; scripts load none. It
# sees the variables of closure.
loaded() {
	{ xargs -0 -n 1 "$loader" --inhibit-cache --library-path "$libs" --list 2>/dev/null || true; } |
		grep -o "$root/[^ ]*" | cut -c$((${#root} + 2))-
}
