#!/bin/bash
# Starts examples/team-page on loopback with demo data (`make demo-web`), or plays its whole story in Chromium
# (`make test-web`), on a throw-away server. Node's packages come from npm, into a temporary directory.
#
#   team-page.sh demo    until Ctrl-C
#   team-page.sh test
#
#   TEAM_PAGE_PORT   where it listens (default: 8080; for the test, any)
#   PICTURES         a directory that receives the test's pictures of the pages
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

what=${1:?demo or test}
packages=()
command -v npm >/dev/null || packages=(nodejs npm)
[ "$what" = demo ] || packages+=(chromium fonts-liberation)
scripts/install-dependencies.sh "${packages[@]}"

work=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-web.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
install_packages() {
    cp "$1/package.json" "$2"
    (cd "$2" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error) >&2
}
install_packages examples/team-page "$work"
command=()
if [ "$what" = test ]; then
    mkdir "$work/test" "$work/pictures"
    install_packages test/web "$work/test"
    command=(node test/web/story.js "$work/test" "$work/pictures")
    export TEAM_PAGE_PORT=0
fi
# The command runs as another user.
chmod -R a+rX "$work"
[ "$what" = demo ] || chmod 1777 "$work/pictures"
scripts/with-cluster.sh -- demo/web/run.sh "$work" "${command[@]}"
if [ "$what" = test ] && [ -n "${PICTURES:-}" ]; then
    mkdir -p "$PICTURES"
    cp "$work"/pictures/*.png "$PICTURES"
fi
