#!/usr/bin/env bash
# Runs every fuzz target of the repository, one after the other, for the time (10s) or the number of inputs (2000x) given;
# default 10s. A target that finds something writes the input below its testdata/fuzz, and the script goes on and fails
# at the end. With a time Go itself now and then fails a target with no more than "context deadline exceeded", when the
# time ends while an input is under way; with a number it cannot.
set -euo pipefail

go=${GO:-go}
duration=${1:-10s}
failed=0

# `go test -list` prints the names of a package's targets and then "ok", the package and the time.
targets=$("$go" test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')
[ -n "$targets" ] || { echo "fuzz: there are no targets" >&2; exit 1; }

while read -r package name; do
	echo "fuzz: $name of $package for $duration"
	"$go" test -run '^$' -fuzz "^$name\$" -fuzztime "$duration" "$package" </dev/null || failed=$((failed + 1))
done <<<"$targets"

[ "$failed" = 0 ] || { echo "fuzz: $failed of $(wc -l <<<"$targets") targets found something" >&2; exit 1; }
