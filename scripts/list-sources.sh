#!/bin/bash
# Prints the files of this tree that are sources, each followed by a null byte: what git tracks or would, or, in a
# release's archive, everything.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -e .git ]; then
    git ls-files -z --cached --others --exclude-standard --deduplicate | while IFS= read -r -d '' file; do
        # One that is deleted and not yet committed is still listed.
        if [ -e "$file" ] || [ -L "$file" ]; then
            printf '%s\0' "$file"
        fi
    done
else
    find . -path ./dist -prune -o ! -type d ! -name '*.o' ! -name '*.bc' ! -name '*.so' -print0
fi
