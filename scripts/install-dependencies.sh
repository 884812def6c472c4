#!/bin/bash
# Installs every Debian 12 package that building, testing and measuring teamrbac needs, and those named as
# arguments, and starts no server. Does nothing when all are there already. As root, or as a user who may
# sudo. A PG_CONFIG in the distribution's place for another version chooses that one instead of 15.
set -euo pipefail
exec </dev/null

major=15
if [[ ${PG_CONFIG:-} =~ ^/usr/lib/postgresql/([0-9]+)/ ]]; then
    major=${BASH_REMATCH[1]}
fi

packages=(
    make                     # the build
    gcc                      # compiles the library and the mailer
    libc6-dev                # C headers
    "postgresql-$major"            # the server, with pgcrypto among its contributed modules
    "postgresql-server-dev-$major" # PGXS, pg_regress, the isolation tester, PostgreSQL::Test::Cluster
    "postgresql-$major-cron"       # pg_cron: scheduled maintenance
    pgbouncer                # tests: identities behind a transaction-mode pooler
    perl                     # prove, Test::More
    libipc-run-perl          # PostgreSQL::Test::Cluster uses it
    libcurl4-openssl-dev     # the mailer speaks SMTP through it
    libpq-dev                # the mailer is a PostgreSQL client
    libssl-dev               # the library verifies tokens by libcrypto
    python3-jwt              # tests: tokens made by another implementation
    python3-cryptography     # tests: PyJWT signs by it
    libidn2-dev              # the mailer writes domains beyond ASCII as the DNS has them
    python3-aiosmtpd         # tests, demo and benchmark: a mail server on loopback
    openssl                  # tests: a certificate for it
    sqlsmith                 # tests: random queries
    clang-format             # make format, make format-check
    util-linux               # runuser, setsid, flock
    "$@"
)

# Libraries with hooks beside ours, for the test of preload orders, which other versions' archives may lack.
if [ "$major" = 15 ]; then
    packages+=(postgresql-15-pgaudit postgresql-15-pg-qualstats postgresql-15-hypopg postgresql-15-set-user)
fi

if ! command -v dpkg-query >/dev/null; then
    echo "install-dependencies: this is no Debian; please provide the like of: ${packages[*]}" >&2
    exit 0
fi

# Prints the packages of its arguments that are not installed.
missing_of() {
    local package
    for package in "$@"; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) echo "$package" ;;
        esac
    done
}

mapfile -t missing < <(missing_of "${packages[@]}")
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-dependencies: as root, please: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    exec sudo -- env PG_CONFIG="${PG_CONFIG:-}" bash "$0" "$@"
fi

# Two runs at once would take each other's temporary policy for the machine's own.
exec {lock}</etc/apt
flock "$lock"
mapfile -t missing < <(missing_of "${packages[@]}")
[ "${#missing[@]}" -gt 0 ] || exit 0

policy=/usr/sbin/policy-rc.d
saved_policy=$policy.teamrbac-saved
no_cluster_dir=/etc/postgresql-common/createcluster.d
no_cluster=$no_cluster_dir/teamrbac-no-main-cluster.conf
made_dirs=()

# Puts back what was changed for the time of the installation.
restore() {
    local i
    rm -f "$no_cluster" "$policy"
    if [ -e "$saved_policy" ] || [ -L "$saved_policy" ]; then
        mv "$saved_policy" "$policy"
    fi
    for ((i = ${#made_dirs[@]} - 1; i >= 0; i--)); do
        rmdir --ignore-fail-on-non-empty "${made_dirs[i]}"
    done
}

# A run that was killed outright left the machine's own policy aside: that one counts, not ours.
if [ -e "$saved_policy" ] || [ -L "$saved_policy" ]; then
    mv -f "$saved_policy" "$policy"
fi
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The tests bring their own server: no "main" cluster for a PostgreSQL that comes with us.
for dir in /etc/postgresql-common "$no_cluster_dir"; do
    if [ ! -d "$dir" ]; then
        mkdir "$dir"
        made_dirs+=("$dir")
    fi
done
echo "create_main_cluster = false" >"$no_cluster"

# Nothing that comes with us is started; the machine's own policy, if any, decides the rest.
if [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$saved_policy"
fi
cat >"$policy" <<EOF
#!/bin/sh
# Temporary, by teamrbac's scripts/install-dependencies.sh.
# Called as "[--quiet] UNIT ACTION": UNIT with or without .service, ACTION sometimes in brackets.
case "\$*" in
    *restart*) ;;
    *pgbouncer*start* | *postgresql*start*) exit 101 ;;
esac
if [ -x $saved_policy ]; then
    exec $saved_policy "\$@"
fi
exit 0
EOF
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt=(apt-get -q -y -o DPkg::Lock::Timeout=600
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)

echo "install-dependencies: installing ${missing[*]}" >&2
# A source of the machine's that has nothing to do with us may be out of order: the installation decides.
"${apt[@]}" update >&2 || echo "install-dependencies: apt-get update failed in part" >&2
"${apt[@]}" install --no-install-recommends "${missing[@]}" >&2

# The pooler's service would start with the next boot.
case " ${missing[*]} " in
    *" pgbouncer "*) update-rc.d pgbouncer disable >&2 ;;
esac
