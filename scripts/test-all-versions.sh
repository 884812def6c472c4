#!/bin/bash
# Runs `make test` on every supported PostgreSQL, each in a directory of its own with the distribution that
# has it; `make test-all-versions` calls this. As root, on Debian 12, with about 2 GB of disk a version.
#
#   scripts/test-all-versions.sh [MAJOR...]      default: 15 16 17 18
#
# 15 is tested on this machine itself; 17 comes with Debian 13 (trixie) and 18 with its successor (forky), from
# the mirror that this machine's own apt uses; 16 was in no Debian release, but is in Ubuntu 24.04 (noble), whose
# keys Debian 13 has. The build is with -Werror. The newest one also upgrades a populated cluster of 15 by
# pg_upgrade (test/t/012_pg_upgrade.pl). A version that cannot be got here is reported, and fails the run.
#
#   TEAMRBAC_CHROOTS=DIR   keeps the directories there for the next run (default: nothing is kept)
#   TESTS, REGRESS, ...    narrow the tests, as for run-tests.sh
#   TEAMRBAC_RUN=COMMAND   what is run in the directories instead of the tests, with KEEP=/keep (16 to 18)
#   KEEP=DIR               receives each version's results and logs below DIR/MAJOR
set -euo pipefail
exec </dev/null

top=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- 15 16 17 18
newest=18
# shellcheck source=scripts/chroot.sh
source "$top/scripts/chroot.sh"

declare -A suites=([16]=noble [17]=trixie [18]=forky)
ubuntu_mirror=${UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ "$(id -u)" -ne 0 ]; then
    echo "test-all-versions: needs root, for chroot" >&2
    exit 1
fi
"$top/scripts/install-dependencies.sh" debootstrap debian-archive-keyring

roots=${TEAMRBAC_CHROOTS:-}
work=$(mktemp -d /var/tmp/teamrbac-versions.XXXXXX)
[ -n "$roots" ] || roots=$work/roots
mkdir -p "$roots"
roots=$(cd "$roots" && pwd)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# make_root SUITE: a minimal system in $roots/SUITE. Whole or absent: an interrupted one is made again.
make_root() {
    local suite=$1 root=$roots/$1 mirror keys=$keyring script=sid components=main
    [ ! -e "$root/.complete" ] || return 0
    mirror=$(debian_mirror)
    if [ "$suite" = noble ]; then
        ubuntu_keyring || return 1
        mirror=$ubuntu_mirror keys=$work/ubuntu/usr/share/keyrings/ubuntu-archive-keyring.gpg
        script=gutsy components=main,universe
    fi
    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase --keyring="$keys" --components="$components" \
        "$suite" "$root" "$mirror" "$script" &&
        touch "$root/.complete"
}

# Debian 12 has no keys of Ubuntu's, but Debian 13 has, signed by Debian.
ubuntu_keyring() {
    local trixie=$roots/trixie
    [ ! -e "$work/ubuntu/usr" ] || return 0
    make_root trixie || return 1
    mkdir -p "$work/ubuntu"
    in_root "$trixie" sh -c 'apt-get -q update && cd /tmp && rm -f ubuntu-keyring_*.deb && apt-get -q download ubuntu-keyring' &&
        dpkg-deb -x "$trixie"/tmp/ubuntu-keyring_*.deb "$work/ubuntu"
}

# old_server ROOT: PostgreSQL 15 beside the one of the suite, with the extension, for pg_upgrade.
old_server() {
    local pg_config=/usr/lib/postgresql/15/bin/pg_config
    echo "deb $(debian_mirror) bookworm main" >"$1/etc/apt/sources.list.d/bookworm.list"
    rm -rf "$1/src-old"
    cp -a "$1/src" "$1/src-old"
    in_root "$1" env PG_CONFIG=$pg_config /src/scripts/install-dependencies.sh &&
        in_root "$1" make -s -C /src-old with_llvm=no PG_CONFIG=$pg_config clean all install
}

# test_in_root MAJOR: in the root of the suite that has it.
test_in_root() {
    local major=$1 root=$roots/${suites[$1]} name status=0 settings=()
    make_root "${suites[$major]}" || return 1
    rm -rf "$root/src" "$root/keep"
    mkdir "$root/src" "$root/keep"
    tar -C "$top" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude=./teamrbac-mailer . |
        tar -C "$root/src" -xf - --no-same-owner
    # Besides what narrows the tests, what says how long the random ones take, and which seed they have.
    for name in TESTS REGRESS ISOLATION PROVE_TESTS PROVE_FLAGS "${!TEAMRBAC_@}" "${!BENCH_@}"; do
        case $name in TEAMRBAC_CHROOTS | TEAMRBAC_TMPDIR | TEAMRBAC_RUN) continue ;; esac
        [ -z "${!name+set}" ] || settings+=("$name=${!name}")
    done
    settings+=("PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config" KEEP=/keep)
    in_root "$root" env "${settings[@]:(-2):1}" /src/scripts/install-dependencies.sh || return 1
    if [ "$major" = "$newest" ] && [ -z "${TEAMRBAC_RUN:-}" ]; then
        old_server "$root" || return 1
        settings+=(TEAMRBAC_OLD_PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config)
    fi
    # shellcheck disable=SC2086
    in_root "$root" env "${settings[@]}" ${TEAMRBAC_RUN:-/src/scripts/run-tests.sh} || status=$?
    if [ -n "${KEEP:-}" ]; then
        rm -rf "${KEEP:?}/$major"
        mkdir -p "$KEEP/$major"
        cp -R "$root/keep/." "$KEEP/$major"
    fi
    return "$status"
}

failed=0
for major; do
    log=$work/$major.log
    status=0
    echo "==== PostgreSQL $major" >&2
    if [ "$major" = 15 ]; then
        KEEP=${KEEP:+$KEEP/15} "$top/scripts/run-tests.sh" >"$log" 2>&1 || status=$?
    elif [ -n "${suites[$major]:-}" ]; then
        test_in_root "$major" >"$log" 2>&1 || status=$?
    else
        echo "no distribution is known to have it" >"$log"
        status=1
    fi
    if [ -n "${KEEP:-}" ]; then
        mkdir -p "$KEEP"
        cp "$log" "$KEEP/$major.log"
    fi
    if [ "$status" -ne 0 ]; then
        failed=1
        tail -n 300 "$log"
    fi
    echo "PostgreSQL $major: $(tail -n 1 "$log")"
done
exit "$failed"
