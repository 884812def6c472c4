# Turns run.sh's log ("case/mode/variant round value") into the table: bar, measured, met or MISSED.

function sort_numbers(list, n,    i, j, moved) {
    for (i = 2; i <= n; i++) {
        moved = list[i]
        for (j = i - 1; j > 0 && list[j] > moved; j--)
            list[j + 1] = list[j]
        list[j + 1] = moved
    }
}

function middle(list, n) {
    if (n == 0) {
        print "table.awk: a value is missing" >"/dev/stderr"
        failed = 1
        exit 1
    }
    sort_numbers(list, n)
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function median(key,    list, n, round) {
    n = 0
    for (round = 1; (key, round) in value; round++)
        list[++n] = value[key, round]
    return middle(list, n)
}

# The median of the rounds' ratios of two variants.
function ratio(above, below,    list, n, round) {
    n = 0
    for (round = 1; (above, round) in value && (below, round) in value; round++)
        list[++n] = value[above, round] / value[below, round]
    return middle(list, n)
}

function verdict(met) {
    return met ? "met" : "**MISSED**"
}

function at_least(text, bar, form, measured, detail) {
    printf "| %s | >= " form " | " form " | %s | %s |\n", text, bar, measured, verdict(measured >= bar), detail
}

function at_most(text, bar, form, measured, detail) {
    printf "| %s | <= " form " | " form " | %s | %s |\n", text, bar, measured, verdict(measured <= bar), detail
}

function per_second(key) {
    return sprintf("%.0f/s", median(key))
}

function milliseconds(key,    ms) {
    ms = 1000 / median(key)
    return sprintf(ms < 10 ? "%.3f ms" : "%.1f ms", ms)
}

function throughput(text, name, mode,    key) {
    key = name "/" mode "/"
    at_least(text ", " mode, 0.97, "%.3f", ratio(key "ours", key "plain"),
             per_second(key "ours") " of " per_second(key "plain"))
}

function duration(text, name, mode,    key) {
    key = name "/" mode "/"
    at_most(text ", " mode, 1.05, "%.3f", ratio(key "plain", key "ours"),
            milliseconds(key "ours") " to " milliseconds(key "plain"))
}

function growth(text, mode, variant, base,    key) {
    key = "growth/" mode "/"
    at_most(text ", " mode, 1.20, "%.2f", ratio(key base, key variant),
            milliseconds(key variant) " to " milliseconds(key base))
}

function churn(mode,    key) {
    key = "churn/" mode "/"
    at_least("reader under 1,000 membership changes a second, of its throughput under as many changes of an unrelated table, " mode,
             0.90, "%.3f", ratio(key "churn", key "control"),
             sprintf("no load %s; control %s (%.3f of no load; %.0f changes/s); churn %s (%.3f of no load; %.0f changes/s)",
                     per_second(key "idle"),
                     per_second(key "control"), ratio(key "control", key "idle"), median(key "rate_control"),
                     per_second(key "churn"), ratio(key "churn", key "idle"), median(key "rate_churn")))
}

function peer(text, name,    key) {
    key = name "_peer/prepared/"
    printf "| %s | %s | %s | %s | %s | %s |\n", text, milliseconds(name "/prepared/ours"), milliseconds(name "/prepared/plain"),
           milliseconds(key "in"), milliseconds(key "array"), milliseconds(key "function")
}

{ value[$1, $2] = $3 }

END {
    if (failed)
        exit 1
    modes[1] = "simple"
    modes[2] = "prepared"

    print "| what | bar | measured | | medians |"
    print "|---|---|---|---|---|"
    for (i = 1; i <= 2; i++)
        throughput("row by primary key (`WHERE id = $1`), throughput relative to no RLS with `tenant_id = $t AND id = $1`", "point", modes[i])
    for (i = 1; i <= 2; i++)
        throughput("50-row page (`WHERE tenant_id = $t ORDER BY id LIMIT 50`), relative to the same query without RLS", "page", modes[i])
    for (i = 1; i <= 2; i++)
        duration("count of one tenant in 1M rows (policy alone), time relative to `WHERE tenant_id = $t`", "count", modes[i])
    for (i = 1; i <= 2; i++)
        duration("sequential scan forced (policy alone), time relative to the filter `tenant_id = $t`", "scan", modes[i])
    count = median("count/prepared/ours")
    at_least("count, times as fast as (b) `IN (SELECT ...)`", 100, "%.0f", count / median("count_peer/prepared/in"),
             milliseconds("count_peer/prepared/in"))
    at_least("count, times as fast as (d) a PL/pgSQL function per row", 5000, "%.0f", count / median("count_peer/prepared/function"),
             milliseconds("count_peer/prepared/function"))
    # Five million calls a measurement, in milliseconds.
    calls = 0
    for (round = 1; ("call/-/bench.empty", round) in value; round++)
        above[++calls] = (value["call/-/teamrbac.has_permission", round] - value["call/-/bench.empty", round]) / 5
    at_most("has_permission with constant arguments, ns a call above an empty C function's", 10, "%.1f", middle(above, calls),
            sprintf("%.1f and %.1f ns a call, with the query around it",
                    median("call/-/teamrbac.has_permission") / 5, median("call/-/bench.empty") / 5))
    for (i = 1; i <= 2; i++)
        growth("row by primary key, 1,000,000 tenants relative to 1,000", modes[i], "million", "thousand")
    for (i = 1; i <= 2; i++)
        growth("row by primary key, a user in 10,000 tenants relative to one in 1", modes[i], "many", "million")
    for (i = 1; i <= 2; i++)
        churn(modes[i])

    print ""
    print "A page by the policy alone (`ORDER BY id LIMIT 50`, tenant not named), relative to `WHERE tenant_id = $t ORDER BY id LIMIT 50` without RLS;"
    printf "no bar: simple %.3f (%s), prepared %.3f (%s).\n", ratio("page_by_policy/simple/ours", "page_by_policy/simple/plain"),
           per_second("page_by_policy/simple/ours"), ratio("page_by_policy/prepared/ours", "page_by_policy/prepared/plain"),
           per_second("page_by_policy/prepared/ours")
    print ""
    print "The policies that people write instead, prepared, ms a query; no bar:"
    print ""
    print "| what | protect_table | (a) no RLS | (b) `IN (SELECT ...)` | (c) `= ANY (ARRAY(SELECT ...))` | (d) function |"
    print "|---|---|---|---|---|---|"
    peer("row by primary key", "point")
    peer("50-row page", "page")
    peer("count of one tenant", "count")
}
