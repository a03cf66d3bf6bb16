#!/usr/bin/env bash
# Installs the programs that the demo and the tests call, once: what is there already is left alone, and when nothing is
# missing nothing is run. Debian and Ubuntu, as root or with sudo.
#
#   scripts/setup.sh          install what is missing, or fail in one line
#   scripts/setup.sh --try    the same, but go on without (the tests that need it are skipped)
#   scripts/setup.sh --all    also what only a machine of its own should get, such as CI's: other programs that manage networks or
#                             run containers, to be tested beside. 130 MB to download, 770 MB on the disk, 40 s at most. Their
#                             services are not started. And crictl, built from its modules: some minutes more, the first time.
#   scripts/setup.sh --k8s    also what 'make test-k8s' runs beside Kubernetes' own programs: 46 MB to download. Not started either.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where a user's PATH ends too early

# program, package, what it is for
needs='ping iputils-ping the demo and the tests ping between virtual hosts
iperf3 iperf3 the demo and the bench measure throughput
ip iproute2 looking into the virtual hosts: ip netns exec
nft nftables tests put firewalls between virtual hosts, and look at the rules
iptables-nft iptables tests make the chains of Docker and ufw
systemd-analyze systemd tests boot systemd on virtual hosts and run the service there
tcpdump tcpdump looking at what goes over the wire
curl curl reading metrics'

more='NetworkManager network-manager tests let it manage a host and see that it leaves weft alone
rpm rpm tests install, upgrade and remove the rpm
prometheus prometheus tests run every query of the dashboard and the alerts
dockerd docker.io tests put its containers on the overlay
podman podman tests put its containers on the overlay
containerd containerd tests run pods by it on virtual hosts
runc runc containerd starts containers by it
busybox busybox-static it is all that those pods hold
crun crun podman starts containers by it
/usr/lib/cni/bridge containernetworking-plugins podman makes networks by it'

k8s='etcd etcd-server a Kubernetes keeps its objects in it
ipset ipset its network policies keep addresses in sets
containerd containerd its nodes run containers by it
runc runc containerd starts containers by it
busybox busybox-static it is all that the containers hold
/usr/lib/cni/bridge containernetworking-plugins loopback, portmap and bridge are its'

strict=yes unstarted= crictl=
case "${1:-}" in
'') ;;
--try) strict= ;;
--all) unstarted=yes crictl=yes needs="$needs
$more" ;;
--k8s) unstarted=yes needs="$needs
$k8s" ;;
*) echo "setup: unknown argument $1 (known: --try, --all, --k8s)" >&2; exit 2 ;;
esac

# give_up says in one line what is wrong, and what is missing.
give_up() {
	echo "setup: missing: $packages: $1" >&2
	[ -z "$strict" ] || exit 1
	echo "setup: going on without: tests that need them will be skipped" >&2
	exit 0
}

# What drives containerd through CRI is in no package.
if [ "$crictl" ] && ! "$(dirname "$0")/../lab/cri/crictl/build.sh" >/dev/null; then
	echo "setup: crictl cannot be built: tests that need it will be skipped" >&2
fi

packages=
while read -r program package why; do
	command -v "$program" >/dev/null && continue
	echo "setup: $program is missing (package $package): $why"
	packages="$packages${packages:+ }$package"
done <<<"$needs"
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null || give_up "this is not Debian or Ubuntu: install them with this system's package manager"

as_root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || give_up "run scripts/setup.sh as root once (there is no sudo)"
	sudo -n true 2>/dev/null || [ -t 0 ] || give_up "run 'sudo scripts/setup.sh' once (sudo asks for a password)"
	as_root=(sudo)
fi

# apt runs quietly; when it fails, its last line of complaint is the reason.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 </dev/null
}
reason() {
	grep -E '^(E:|W:|Err|sudo:)' "$log" | tail -n 1 || true
}

# What invoke-rc.d asks before it starts a service: 101 forbids it.
policy=/usr/sbin/policy-rc.d
if [ "$unstarted" ] && [ ! -e $policy ]; then
	trap 'rm -f "$log"; "${as_root[@]}" rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin $policy
fi

echo "setup: installing $packages with apt-get"
apt update || echo "setup: apt-get update failed, trying with the lists of before: $(reason)" >&2
# The list is of package names without spaces: it is meant to be split.
# shellcheck disable=SC2086
apt install --no-install-recommends $packages || give_up "apt-get install failed: $(reason)"
echo "setup: done"
