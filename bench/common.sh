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
