#!/bin/bash
# Draws bench/RESULTS.md in docs/pictures/bench.svg, and copies the shorter table into the README.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
table=$(mktemp)
trap 'rm -f "$table" "$top/README.md.tmp"' EXIT

mkdir -p "$top/docs/pictures"
awk -v form=svg -f "$top/bench/plot.awk" "$top/bench/RESULTS.md" >"$top/docs/pictures/bench.svg"
awk -v form=table -f "$top/bench/plot.awk" "$top/bench/RESULTS.md" >"$table"
awk -v table="$table" '
    /^<!-- end of the benchmark -->/ { within = 0 }
    !within { print }
    /^<!-- the benchmark, by bench\/publish.sh -->/ {
        within = 1
        print ""
        while ((getline row <table) > 0)
            print row
        print ""
    }' "$top/README.md" >"$top/README.md.tmp"
cat "$top/README.md.tmp" >"$top/README.md"
