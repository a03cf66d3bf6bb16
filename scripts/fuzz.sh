#!/usr/bin/env bash
# Runs every fuzz target of the repository, one after the other, each for the time (10s) or the number of inputs (2000x)
# given; without one they share an hour. A target that finds something writes the input below its testdata/fuzz, and the
# script goes on and fails at the end. When the time ends while an input is under way, Go now and then fails the target with
# no more than "context deadline exceeded": that finds nothing, and does not count. Go makes inputs that it keeps smaller, by
# default for a minute each, which takes most of the time from targets whose coverage differs from run to run: here a second.
set -euo pipefail

go=${GO:-go}
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# `go test -list` prints the names of a package's targets and then "ok", the package and the time.
targets=$("$go" test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')
[ -n "$targets" ] || { echo "fuzz: there are no targets" >&2; exit 1; }
count=$(wc -l <<<"$targets")
duration=${1:-$((3600 / count))s}

# found says whether a failed run did find something: an input, or what is not Go's own deadline.
found() { grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; }

while read -r package name; do
	echo "fuzz: $name of $package for $duration"
	"$go" test -run '^$' -fuzz "^$name\$" -fuzztime "$duration" -fuzzminimizetime 1s "$package" </dev/null 2>&1 | tee "$log" || ! found || failed=$((failed + 1))
done <<<"$targets"

[ "$failed" = 0 ] || { echo "fuzz: $failed of $count targets found something" >&2; exit 1; }
