# What the benchmarks share, to be sourced.

query() {
    psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

# tested: rows of a table that say what was measured, where and when.
tested() {
    cat <<END
| processor | $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores |
| PostgreSQL | $(query -c 'SHOW server_version') |
| teamrbac | $(query -c "SELECT extversion FROM pg_extension WHERE extname = 'teamrbac'") |
| date | $(date -u +%F) |
END
}

# middle_half SCRIPT: of pgbench's log, what a second of that script (0 or 1) does, by the mean of the middle half of
# its transactions' times.
middle_half() {
    awk -v script="$1" '$4 == script { print $3 }' | sort -n | awk '
        { time[NR] = $1 }
        END {
            for (i = int(NR / 4) + 1; i <= NR - int(NR / 4); i++) {
                sum += time[i]
                n++
            }
            if (n > 0)
                print 1000000 * n / sum
        }'
}
