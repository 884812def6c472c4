#!/bin/bash
# Builds Debian's packages and PGXN's archive, and tests both in a fresh system of this machine's release;
# `make test-packages` calls this. As root, on Debian, in a clone, with about 1 GB of disk.
#
#   - the packages are installed by the command that README.md gives, and debian/tests run on them (autopkgtest);
#   - purged, they leave nothing behind;
#   - the archive, of the last commit, is built and installed by PGXN's client.
#
#   TESTS                which of debian/tests to run (default: all)
#   REGRESS, ISOLATION   narrow installcheck, one of them
#   TEAMRBAC_TMPDIR      where the system is made (default: /var/tmp); gone afterwards
set -euo pipefail
exec </dev/null

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/chroot.sh
source "$top/scripts/chroot.sh"
if [ "$(id -u)" -ne 0 ]; then
    echo "test-packages: needs root, for chroot" >&2
    exit 1
fi
cd "$top"
scripts/install-dependencies.sh autopkgtest debootstrap debian-archive-keyring git
scripts/make-deb.sh >&2
scripts/make-dist.sh >&2

umask 022
work=$(mktemp -d "${TEAMRBAC_TMPDIR:-/var/tmp}/teamrbac-packages.XXXXXX")
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A minimal system with this machine's sources of Debian, updates and security included, that starts no service.
make_root() {
    local release
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        "$release" "$root" "$(debian_mirror)"
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sort -u >"$root/etc/apt/sources.list"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    # The README's command is run as it stands.
    echo 'APT::Get::Assume-Yes "true";' >"$root/etc/apt/apt.conf.d/teamrbac"
    in_root "$root" apt-get -q update
    in_root "$root" useradd --create-home tester
    mkdir "$root/src"
    scripts/list-sources.sh | tar -cf - --null -T - | tar -C "$root/src" -xf - --no-same-owner
    mkdir "$root/src/dist"
    cp dist/*.deb dist/*.zip "$root/src/dist"
}

install_packages() {
    local command
    command=$(sed -n '/^## Installation/,/^## Getting/s/^    \(apt install .*\)/\1/p' README.md)
    [ "$(wc -l <<<"$command")" = 1 ] && [ -n "$command" ]
    in_root "$root" env DEBIAN_FRONTEND=noninteractive sh -euxc "cd /src && $command"
}

run_autopkgtests() {
    local name options=()
    for name in ${TESTS:-}; do
        options+=("--test-name=$name")
    done
    for name in REGRESS ISOLATION; do
        [ -z "${!name+set}" ] || options+=("--env=$name=${!name}")
    done
    beside_root "$root" autopkgtest --no-built-binaries --user=tester "${options[@]}" "$root/src" -- chroot "$root"
}

purge_packages() {
    local left
    in_root "$root" sh -euc 'apt-get -q purge "postgresql-*-teamrbac" teamrbac-mailer'
    left=$(find "$root" -xdev -path "$root/src" -prune -o -iname '*teamrbac*' ! -path '*/apt/apt.conf.d/*' -print)
    if [ -n "$left" ]; then
        echo "left behind: $left"
        return 1
    fi
}

# Builds what is in the archive, and nothing else.
install_from_archive() {
    in_root "$root" env DEBIAN_FRONTEND=noninteractive apt-get -q install --no-install-recommends \
        gcc libc6-dev libcurl4-openssl-dev libidn2-dev libpq-dev make pgxnclient postgresql-server-dev-all
    in_root "$root" sh -euc '
        for pg_config in /usr/lib/postgresql/*/bin/pg_config; do
            pgxn install --yes --pg_config "$pg_config" /src/dist/teamrbac-*.zip
        done
        pg_virtualenv psql -X -v ON_ERROR_STOP=1 -c "CREATE EXTENSION teamrbac_api CASCADE" -c "\dx teamrbac*"'
}

# step TITLE FUNCTION: with its output only if it fails.
step() {
    local status=0
    echo "==== $1"
    # Not as a condition, in which the shell would go on after an error.
    "$2" >"$work/log" 2>&1 &
    wait $! || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$work/log"
        echo "test-packages: $1: failed"
        exit 1
    fi
}

step "a fresh system" make_root
step "README's installation" install_packages
step "debian/tests" run_autopkgtests
grep -E '^[a-z]+ +(PASS|FAIL|SKIP)' "$work/log" | sort -u
step "purge" purge_packages
step "PGXN's archive" install_from_archive
echo "test-packages: all passed"
