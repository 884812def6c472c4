# Turns run.sh's log ("case/mode/variant round value") into the table: bar, measured, met or MISSED. Needs median.awk.

function median(key,    list, n, round) {
    n = 0
    for (round = 1; (key, round) in value; round++)
        list[++n] = value[key, round]
    return middle(list, n, key)
}

# Lists the rounds' ratios of two variants in global ratios, sorted: how many.
function list_ratios(above, below,    n, round) {
    n = 0
    for (round = 1; (above, round) in value && (below, round) in value; round++)
        ratios[++n] = value[above, round] / value[below, round]
    sort_numbers(ratios, n)
    return n
}

# The median of the rounds' ratios of two variants.
function ratio(above, below,    n) {
    n = list_ratios(above, below)
    return middle(ratios, n, above " and " below)
}

# Between what values the middle half of them lies.
function spread(above, below,    n) {
    n = list_ratios(above, below)
    return sprintf("%.3f to %.3f", ratios[int((n + 3) / 4)], ratios[n + 1 - int((n + 3) / 4)])
}

function verdict(met) {
    return met ? "met" : "**MISSED**"
}

function at_least(text, bar, form, measured, between, detail) {
    printf "| %s | >= " form " | " form " | %s | %s | %s |\n", text, bar, measured, between, verdict(measured >= bar), detail
}

function at_most(text, bar, form, measured, between, detail) {
    printf "| %s | <= " form " | " form " | %s | %s | %s |\n", text, bar, measured, between, verdict(measured <= bar), detail
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
    at_least(text ", " mode, 0.97, "%.3f", ratio(key "ours", key "plain"), spread(key "ours", key "plain"),
             per_second(key "ours") " of " per_second(key "plain"))
}

function duration(text, name, mode,    key) {
    key = name "/" mode "/"
    at_most(text ", " mode, 1.05, "%.3f", ratio(key "plain", key "ours"), spread(key "plain", key "ours"),
            milliseconds(key "ours") " to " milliseconds(key "plain"))
}

function growth(text, mode, variant, base,    key) {
    key = "growth/" mode "/"
    at_most(text ", " mode, 1.20, "%.2f", ratio(key base, key variant), spread(key base, key variant),
            milliseconds(key variant) " to " milliseconds(key base))
}

function churn(mode, base, text,    key) {
    key = "churn/" mode "/"
    at_least("reader under 1,000 membership changes a second, of its throughput " text ", " mode,
             0.90, "%.3f", ratio(key "churn", key base), spread(key "churn", key base),
             sprintf("%s of %s; %.0f changes/s%s", per_second(key "churn"), per_second(key base), median(key "rate_churn"),
                     base == "control" ? sprintf(" of %.0f/s", median(key "rate_control")) : ""))
}

function own(text, name, mode,    key) {
    key = name "/" mode "/"
    printf "| %s, %s | %.3f | %s | %s of %s |\n", text, mode, ratio(key "ours", key "plain"), spread(key "ours", key "plain"),
           per_second(key "ours"), per_second(key "plain")
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

    print "| what | bar | measured | middle half | | medians |"
    print "|---|---|---|---|---|---|"
    for (i = 1; i <= 2; i++)
        throughput("row by primary key (`WHERE id = $1`), throughput relative to no RLS with `tenant_id = $t AND id = $1`", "point", modes[i])
    for (i = 1; i <= 2; i++)
        throughput("50-row page (`WHERE tenant_id = $t ORDER BY id LIMIT 50`), relative to the same query without RLS", "page", modes[i])
    for (i = 1; i <= 2; i++)
        throughput("50-row page by the policy alone (`ORDER BY id LIMIT 50`), relative to no RLS with `WHERE tenant_id = $t`", "page_by_policy", modes[i])
    for (i = 1; i <= 2; i++)
        duration("count of one tenant in 1M rows (policy alone), time relative to `WHERE tenant_id = $t`", "count", modes[i])
    for (i = 1; i <= 2; i++)
        duration("sequential scan forced (policy alone), time relative to the filter `tenant_id = $t`", "scan", modes[i])
    count = median("count/prepared/ours")
    at_least("count, times as fast as (b) `IN (SELECT ...)`", 100, "%.0f", count / median("count_peer/prepared/in"), "",
             milliseconds("count_peer/prepared/in"))
    at_least("count, times as fast as (d) a PL/pgSQL function per row", 5000, "%.0f", count / median("count_peer/prepared/function"), "",
             milliseconds("count_peer/prepared/function"))
    # Half a million calls a query: from queries a second to nanoseconds a call.
    calls = 0
    for (round = 1; ("call/simple/empty", round) in value; round++)
        above[++calls] = 2000 / value["call/simple/ours", round] - 2000 / value["call/simple/empty", round]
    call = middle(above, calls, "calls")
    at_most("has_permission with constant arguments, ns a call above an empty C function's", 10, "%.1f", call,
            sprintf("%.1f to %.1f", above[int((calls + 3) / 4)], above[calls + 1 - int((calls + 3) / 4)]),
            sprintf("%.1f and %.1f ns a call, with the query around it",
                    2000 / median("call/simple/ours"), 2000 / median("call/simple/empty")))
    for (i = 1; i <= 2; i++)
        growth("row by primary key, 1,000,000 tenants relative to 1,000", modes[i], "million", "thousand")
    for (i = 1; i <= 2; i++)
        growth("row by primary key, a user in 10,000 tenants relative to one in 1", modes[i], "many", "million")
    for (i = 1; i <= 2; i++)
        churn(modes[i], "idle", "under no load")
    for (i = 1; i <= 2; i++)
        churn(modes[i], "control", "under as many changes of an unrelated table")

    print ""
    print "What of it is PostgreSQL's own, throughput, no bar:"
    print ""
    print "| what | measured | middle half | medians |"
    print "|---|---|---|---|"
    for (i = 1; i <= 2; i++)
        own("row by primary key, relative to no RLS with the same `WHERE id = $1` (the plan with the tenant reads the tenant's own part of another index)", "point_same", modes[i])
    for (i = 1; i <= 2; i++)
        own("row by primary key, a policy `tenant_id = constant` relative to no RLS with `tenant_id = $t AND id = $1`", "point_least", modes[i])
    for (i = 1; i <= 2; i++)
        own("50-row page, a policy `tenant_id = constant` relative to no RLS, `WHERE tenant_id = $t` in both", "page_least", modes[i])
    print ""
    print "The policies that people write instead, prepared, ms a query; no bar:"
    print ""
    print "| what | protect_table | (a) no RLS | (b) `IN (SELECT ...)` | (c) `= ANY (ARRAY(SELECT ...))` | (d) function |"
    print "|---|---|---|---|---|---|"
    peer("row by primary key", "point")
    peer("50-row page", "page")
    peer("count of one tenant", "count")
}
