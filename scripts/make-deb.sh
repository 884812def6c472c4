#!/bin/bash
# Builds Debian's packages of this tree, of the extension for each PostgreSQL that the distribution has and of the
# mailer, and checks them with lintian; `make deb` calls this. What comes of it is in dist/, where nothing else of an
# earlier run stays; the build itself happens in a temporary directory.
#
#   TEAMRBAC_TMPDIR   where the temporary directory is made (default: /tmp)
set -euo pipefail
exec </dev/null

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
scripts/install-dependencies.sh debhelper dpkg-dev lintian postgresql-server-dev-all

# Neither a developer's build flags nor an outer make's options may change the packages.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES PG_CONFIG CFLAGS CPPFLAGS LDFLAGS DEB_BUILD_OPTIONS
export LC_ALL=C.UTF-8
umask 022

work=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

upstream=$(dpkg-parsechangelog -S Version)
upstream=${upstream%-*}
tree=$work/teamrbac-$upstream
mkdir "$tree"
scripts/list-sources.sh | tar -cf - --null -T - | tar -C "$tree" -xf - --no-same-owner
# Another release of the distribution has other versions of PostgreSQL than debian/control was made for.
(cd "$tree" && pg_buildext updatecontrol)
tar -C "$work" -czf "$work/teamrbac_$upstream.orig.tar.gz" --exclude="teamrbac-$upstream/debian" "teamrbac-$upstream"
(cd "$tree" && dpkg-buildpackage --no-sign --build=full) >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
}
lintian --fail-on error --allow-root --tag-display-limit 0 "$work"/*.changes

mkdir -p dist
rm -f dist/*.deb dist/*.ddeb dist/*.dsc dist/*.tar.* dist/*.changes dist/*.buildinfo
find "$work" -maxdepth 1 -type f ! -name build.log -exec cp -t dist {} +
ls dist/*.deb
