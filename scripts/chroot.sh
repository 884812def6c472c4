#!/bin/bash
# Systems in a directory, for the scripts that test in one; to be sourced.

# The mirror that this machine's own apt takes the release's packages from, by either form of its sources.
debian_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' |
        grep -v -e security -e '^$' | grep -m 1 '/debian/*$' || true)
    echo "${mirror:-http://deb.debian.org/debian}"
}

# beside_root ROOT COMMAND...: runs it on this machine while what ROOT needs is mounted there; mounts and processes end
# with it.
beside_root() {
    # shellcheck disable=SC2016
    unshare --mount --mount-proc --pid --fork --kill-child -- sh -euc '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        mount -t tmpfs shm "$root/dev/shm"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        exec "$@"' sh "$@"
}

# in_root ROOT COMMAND...: the same, within ROOT.
in_root() {
    local root=$1
    shift
    beside_root "$root" chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
