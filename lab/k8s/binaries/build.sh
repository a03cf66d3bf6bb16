#!/usr/bin/env bash
# Builds the programs of Kubernetes at the version of go.mod, once: what lies in the directory already is not built again.
#
#   build.sh           prints the directory, building what is missing
#   build.sh --where   prints the directory
#
# They lie in ${XDG_CACHE_HOME:-~/.cache}/weft/k8s-VERSION and take 490 MB. It builds at the lowest priority, JOBS packages at a time
# (2), and takes 11 minutes of processor time where nothing is in Go's own cache.
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

missing=
for program in $programs; do
	[ -x "$where/$program" ] || missing="$missing k8s.io/kubernetes/cmd/$program"
done
if [ "$missing" ]; then
	echo "building Kubernetes $version, once:$missing" >&2
	mkdir -p "$where"
	new=$(mktemp -d "$where/new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	# Components refuse to work together where they do not know their versions.
	stamp="-s -w"
	IFS=. read -r major minor _ <<<"${version#v}"
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		stamp="$stamp -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
	done
	# The list is of packages without spaces: it is meant to be split.
	# shellcheck disable=SC2086
	CGO_ENABLED=0 GOFLAGS= nice -n 19 "${GO:-go}" build -p "${JOBS:-2}" -trimpath -buildvcs=false -ldflags "$stamp" -o "$new/" $missing
	mv "$new"/* "$where/"
fi
echo "$where"
