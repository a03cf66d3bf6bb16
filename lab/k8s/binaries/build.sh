#!/usr/bin/env bash
# Builds the programs of Kubernetes at the version of go.mod, and k3s's controller of network policies (../policy), once: what lies in the
# directory already is not built again, but the controller when its sources have changed.
#
#   build.sh           prints the directory, building what is missing
#   build.sh --where   prints the directory
#
# They lie in ${XDG_CACHE_HOME:-~/.cache}/weft/k8s-VERSION and take 540 MB. It builds at the lowest priority, JOBS packages at a time
# (2), and takes 12 minutes of processor time where nothing is in Go's own cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

programs='kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl'
version=$(sed -nE 's|^.*k8s\.io/kubernetes (v[0-9.]+).*|\1|p' go.mod)
where=${XDG_CACHE_HOME:-$HOME/.cache}/weft/k8s-$version
case "${1:-}" in
'') ;;
--where) echo "$where"; exit ;;
*) echo "build.sh: unknown argument $1 (known: --where)" >&2; exit 2 ;;
esac

# build LDFLAGS PACKAGE... builds programs of the module in this directory, and then puts them where they belong.
build() {
	local new
	mkdir -p "$where"
	new=$(mktemp -d "$where/new.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$new'" EXIT
	CGO_ENABLED=0 GOFLAGS= nice -n 19 "${GO:-go}" build -p "${JOBS:-2}" -trimpath -buildvcs=false -ldflags "$1" -o "$new/" "${@:2}"
	mv "$new"/* "$where/"
	rm -r "$new"
}

missing=
for program in $programs; do
	[ -x "$where/$program" ] || missing="$missing k8s.io/kubernetes/cmd/$program"
done
if [ "$missing" ]; then
	echo "building Kubernetes $version, once:$missing" >&2
	# Components refuse to work together where they do not know their versions.
	stamp="-s -w"
	IFS=. read -r major minor _ <<<"${version#v}"
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		stamp="$stamp -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
	done
	# The list is of packages without spaces: it is meant to be split.
	# shellcheck disable=SC2086
	build "$stamp" $missing
fi
cd ../policy
if [ ! -x "$where/policy" ] || [ "$(find . -newer "$where/policy")" ]; then
	echo "building k3s's controller of network policies" >&2
	build '-s -w' .
fi
echo "$where"
