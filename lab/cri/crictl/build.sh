#!/usr/bin/env bash
# Builds crictl at the version of go.mod, once.
#
#   build.sh           prints its path, building it if it is missing
#   build.sh --where   prints its path
#
# It lies in ${XDG_CACHE_HOME:-~/.cache}/weft/crictl-VERSION. It is built at the lowest priority, JOBS packages at a time (2).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(sed -nE 's|^.*sigs\.k8s\.io/cri-tools (v[0-9.]+).*|\1|p' go.mod)
program=${XDG_CACHE_HOME:-$HOME/.cache}/weft/crictl-$version
case "${1:-}" in
'') ;;
--where) echo "$program"; exit ;;
*) echo "build.sh: unknown argument $1 (known: --where)" >&2; exit 2 ;;
esac

if [ ! -x "$program" ]; then
	echo "building crictl $version, once" >&2
	mkdir -p "$(dirname "$program")"
	new=$(mktemp "$program.XXXXXX")
	trap 'rm -f "$new"' EXIT
	CGO_ENABLED=0 GOFLAGS= nice -n 19 "${GO:-go}" build -p "${JOBS:-2}" -trimpath -buildvcs=false -ldflags "-s -w" -o "$new" github.com/kubernetes-sigs/cri-tools/cmd/crictl
	chmod 755 "$new"
	mv "$new" "$program"
fi
echo "$program"
