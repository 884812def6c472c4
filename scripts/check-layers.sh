#!/bin/bash
# Whether each file of the library calls only what stands below it, and no two of them each other, by what their object
# files define and use.  The layers, from the top: job, command, record, authority, store; see src/README.md.
#
#   scripts/check-layers.sh OBJECT...     such as src/store/query.o; `make layers` builds them all
set -euo pipefail

layer_of() {
    case $1 in
        src/store/*) echo 1 ;;
        src/authority/*) echo 2 ;;
        src/record/*) echo 3 ;;
        src/command/*) echo 4 ;;
        src/job/*) echo 5 ;;
        src/teamrbac.o) echo 6 ;;
        *)
            echo "check-layers: $1 is in no layer" >&2
            exit 1
            ;;
    esac
}

symbols=$(mktemp)
trap 'rm -f "$symbols"' EXIT
for object; do
    layer=$(layer_of "$object")
    nm "$object" | awk -v object="$object" -v layer="$layer" 'NF >= 2 { print object, layer, $(NF - 1), $NF }'
done >"$symbols"

# user used: a line for each pair of files of which one calls the other.
edges=$(awk '
    # Every library has these two of its own, and SQL reaches the functions by name.
    $4 == "_PG_init" || $4 == "Pg_magic_func" { next }
    NR == FNR { if ($3 ~ /^[TDBRC]$/) { file[$4] = $1; layer[$1] = $2 } next }
    $3 == "U" && $4 in file && file[$4] != $1 { print $1, file[$4], $2, layer[file[$4]], $4 }' "$symbols" "$symbols")

upward=$(awk '$4 > $3 { print "  " $1 " calls " $5 " of " $2 }' <<<"$edges")
if [ -n "$upward" ]; then
    printf 'check-layers: arrows that point upward:\n%s\n' "$upward" >&2
    exit 1
fi
if ! circle=$(awk '{ print $1, $2 }' <<<"$edges" | tsort 2>&1 >/dev/null) || [ -n "$circle" ]; then
    printf 'check-layers: files that call each other in a circle:\n%s\n' "$circle" >&2
    exit 1
fi
echo "$# object files, $(awk '{ print $1, $2 }' <<<"$edges" | sort -u | wc -l) arrows, all downward and none in a circle."
