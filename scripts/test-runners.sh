#!/bin/bash
# The part of run-tests.sh that runs inside with-cluster.sh: the three runners one after the other, what
# failed in them, and the sum.
set -uo pipefail

passed=0
failed=0
output=$HOME/runner.out

# TESTS names tests of any runner; PGXS has a variable for each.
sort_tests() {
    local name
    [ -n "${TESTS:-}" ] || return 0
    export REGRESS='' ISOLATION='' PROVE_TESTS=''
    for name in $TESTS; do
        name=$(basename "$name")
        name=${name%.*}
        if [ -e "test/sql/$name.sql" ]; then
            REGRESS+=" $name"
        elif [ -e "test/specs/$name.spec" ]; then
            ISOLATION+=" $name"
        elif [ -e "test/t/$name.pl" ]; then
            PROVE_TESTS+=" test/t/$name.pl"
        else
            echo "run-tests: no test is called '$name'" >&2
            exit 2
        fi
    done
}

# wanted VARIABLE FILE...: whether the runner has anything to do.
wanted() {
    local -n narrowed=$1
    [ -e "$2" ] && [ -n "${narrowed-all}" ]
}

# Adds up the runner's own closing line, "All 3 tests passed." or "1 of 3 tests failed.". One that ended
# without it has failed.
count_regress() {
    local status=$1 text=$2 bad=0 all=0
    if [[ $text =~ ([0-9]+)\ of\ ([0-9]+)\ tests\ failed ]]; then
        bad=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
    elif [[ $text =~ (All|[0-9]+\ of)\ ([0-9]+)\ tests\ passed ]]; then
        all=${BASH_REMATCH[2]}
    fi
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$all" -eq 0 ]; then
        all=$((all + 1)) bad=$((bad + 1))
    fi
    passed=$((passed + all - bad))
    failed=$((failed + bad))
}

# The same for prove: "Files=1, Tests=5, ..." and, for each file that failed, "(Wstat: 256 ... Failed: 1)"
# and what is wrong with it. A file that died or broke its plan counts as one failure at least.
count_prove() {
    local status=$1 text=$2 bad=0 broken=0 all=0
    if [[ $text =~ Files=[0-9]+,\ Tests=([0-9]+) ]]; then
        all=${BASH_REMATCH[1]}
    fi
    read -r bad broken < <(awk '
        match($0, /\(Wstat: .* Failed: [0-9]+\)$/) { here = $NF + 0; bad += here }
        /^  (Non-zero|Parse errors)/ { if (!here) broken++; here = 1 }
        END { print bad + 0, broken + 0 }' <<<"$text")
    passed=$((passed + all - bad))
    if [ "$status" -ne 0 ] && [ $((bad + broken)) -eq 0 ]; then
        broken=1
    fi
    failed=$((failed + bad + broken))
}

# Shows the start of a file, and where it was cut.
show_head() {
    [ -s "$1" ] || return 0
    echo "---- ${1##*/}"
    head -n "$2" "$1"
    [ "$(wc -l <"$1")" -le "$2" ] || echo "---- (cut after $2 lines)"
}

show_tail() {
    [ -s "$1" ] || return 0
    echo "---- end of ${1##*/}"
    tail -n "$2" "$1"
}

# run_regress NAME MAKE_ARGUMENT: pg_regress or the isolation tester, through PGXS's installcheck.
run_regress() {
    local status=0
    make -s installcheck "$2" 2>&1 | tee "$output" || status=$?
    count_regress "$status" "$(<"$output")"
    if [ "$status" -ne 0 ]; then
        show_head regression.diffs 400
        show_tail "$SERVER_LOG" 60
    fi
    # The next runner would overwrite it.
    [ ! -s regression.diffs ] || mv regression.diffs "results/$1.diffs"
}

run_prove() {
    local status=0 name log
    make -s prove_installcheck PROVE_FLAGS="${PROVE_FLAGS--j $(processes)}" 2>&1 |
        tee "$output" || status=$?
    count_prove "$status" "$(<"$output")"
    [ "$status" -ne 0 ] || return 0
    # Of each file that failed: its own log, and those of its servers.
    sed -n 's|^test/t/\(.*\)\.pl *(Wstat: .*|\1|p' "$output" | while read -r name; do
        show_tail "tmp_check/log/regress_log_$name" 60
        for log in "tmp_check/log/${name}"_*.log; do
            show_tail "$log" 20
        done
    done
}

# Servers wait more than they compute, but each test runs several.
processes() {
    local n
    n=$(nproc)
    echo $((n < 4 ? n : 4))
}

# pg_regress gives up at a test without expected output, which a new test cannot have yet.
add_missing_expected() {
    local name
    for name in test/sql/*.sql test/specs/*.spec; do
        name=$(basename "${name%.*}")
        [ "$name" = '*' ] || [ -e "expected/$name.out" ] || : >"expected/$name.out"
    done
}

sort_tests
add_missing_expected
if wanted REGRESS test/sql/*.sql; then
    run_regress regress ISOLATION=
fi
if wanted ISOLATION test/specs/*.spec; then
    run_regress isolation REGRESS=
fi
if wanted PROVE_TESTS test/t/*.pl; then
    run_prove
fi

echo "$passed passed, $failed failed"
# A run that found nothing to do has shown nothing.
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
