#!/bin/bash
# Makes dist/teamrbac-VERSION.zip of the last commit, the archive that PGXN wants; `make dist` calls this.
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

version=$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->{version}' META.json)
if [ -n "$(git status --porcelain)" ]; then
    echo "make-dist: what is not committed is left out" >&2
fi
mkdir -p dist
rm -f dist/*.zip
git archive --format=zip --prefix="teamrbac-$version/" -o "dist/teamrbac-$version.zip" HEAD
ls "dist/teamrbac-$version.zip"
