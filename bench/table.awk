# Turns run.sh's log ("label round value") into the table: bar, measured, met or MISSED. Needs median.awk.

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

# Between what values the middle half of a sorted list lies.
function quartiles(list, n, form) {
    return sprintf(form " to " form, list[int((n + 3) / 4)], list[n + 1 - int((n + 3) / 4)])
}

function spread(above, below,    n) {
    n = list_ratios(above, below)
    return quartiles(ratios, n, "%.3f")
}

function verdict(met) {
    return met ? "met" : "**MISSED**"
}

function line(text, bar, measured, between, said, detail, alone) {
    printf "| %s | %s | %s | %s | %s | %s | %s |\n", text, bar, measured, between, said, detail, alone
}

function at_least(text, bar, form, measured, between, detail, alone) {
    line(text, sprintf(">= " form, bar), sprintf(form, measured), between, verdict(measured >= bar), detail, alone)
}

function at_most(text, bar, form, measured, between, detail) {
    line(text, sprintf("<= " form, bar), sprintf(form, measured), between, verdict(measured <= bar), detail, "")
}

function per_second(key) {
    return sprintf("%.0f/s", median(key))
}

function milliseconds(key,    ms) {
    ms = 1000 / median(key)
    return sprintf(ms < 10 ? "%.3f ms" : "%.1f ms", ms)
}

# The query alone, where it is a part of the transaction.
function alone(ours, plain) {
    return sprintf("%.3f (%s to %s)", ratio(ours "/query", plain "/query"), milliseconds(ours "/query"),
                   milliseconds(plain "/query"))
}

# measured tells whether a case was, in a run of some cases only.
function measured(key) {
    return (key, 1) in value
}

function throughput(text, name, mode, bar, ours, theirs,    a, b) {
    a = name "/" mode "/" ours
    b = name "/" mode "/" theirs
    if (measured(a))
        at_least(text ", " mode, bar, "%.3f", ratio(a, b), spread(a, b), per_second(a) " of " per_second(b), alone(a, b))
}

function both(text, name, bar) {
    throughput(text, name, "simple", bar, "ours", "plain")
    throughput(text, name, "prepared", bar, "ours", "plain")
}

function across(text, name) {
    throughput("across_tenants, six tenants, to `= ANY (ARRAY(SELECT ...))`: " text, name, "simple", 1, "across", "array")
    throughput("across_tenants, six tenants, to `= ANY (ARRAY(SELECT ...))`: " text, name, "prepared", 1, "across", "array")
}

function duration(text, name, mode, bar,    ours, plain) {
    ours = name "/" mode "/ours"
    plain = name "/" mode "/plain"
    if (measured(ours))
        at_most(text, bar, "%.3f", ratio(plain, ours), spread(plain, ours), milliseconds(ours) " to " milliseconds(plain))
}

function growth(text, mode, variant, base,    key) {
    key = "growth/" mode "/"
    if (measured(key variant))
        at_most(text ", " mode, 1.20, "%.3f", ratio(key base, key variant), spread(key base, key variant),
                milliseconds(key variant) " to " milliseconds(key base))
}

function churn(text, mode, base,    key) {
    key = "churn/" mode "/"
    if (measured(key "churn"))
        at_least("a reader under 1,000 membership changes a second, to " text ", " mode, 0.9, "%.3f",
                 ratio(key "churn", key base), spread(key "churn", key base),
                 sprintf("%s of %s; %.0f changes/s%s", per_second(key "churn"), per_second(key base), median(key "rate_churn"),
                         base == "control" ? sprintf(" of %.0f/s", median(key "rate_control")) : ""), "")
}

# From queries a second, of half a million calls each, to nanoseconds a call.
function calls(    ours, empty, above, n, round) {
    ours = "call/simple/teamrbac.has_permission/query"
    empty = "call/simple/bench.empty/query"
    if (!measured(ours))
        return
    for (round = 1; (empty, round) in value; round++)
        above[++n] = 2000 / value[ours, round] - 2000 / value[empty, round]
    sort_numbers(above, n)
    at_most("has_permission with constant arguments, ns a call above an empty C function's", 30, "%.1f",
            middle(above, n, "calls"), quartiles(above, n, "%.1f"),
            sprintf("%.1f and %.1f ns a call, with the query around it", 2000 / median(ours), 2000 / median(empty)))
}

function reloads() {
    if (measured("reloads"))
        at_most("times that a reader looks anew for what it may do, for each change of somebody else's membership", 1, "%.3f",
                median("reloads") / 200, "", sprintf("%d reloads and %d probes for 200 changes, each followed by five statements",
                                                     median("reloads"), median("probes")))
}

{ value[$1, $2] = $3 }

END {
    if (failed)
        exit 1
    modes[1] = "simple"
    modes[2] = "prepared"

    print "| what, in throughput unless it says time | bar | measured | middle half | | medians | the query alone |"
    print "|---|---|---|---|---|---|---|"
    both("row by key", "point", 0.95)
    both("50-row page", "page", 0.95)
    both("count of a tenant's 1,000 rows", "count", 0.95)
    both("join of two tables, 10 rows", "join2", 0.95)
    both("join of five tables, 5 rows", "join5", 0.95)
    both("WHERE EXISTS (correlated), 10 rows", "exists", 0.95)
    both("EXISTS (correlated) as a column, 10 rows", "exists_column", 0.95)
    both("row by key of one of 64 hash partitions", "part", 0.9)
    both("the same, of a query that names its tenant too", "part_named", 0.9)
    throughput("a new connection with one statement, its role mapped to a user", "first", "simple", 0.9,
               "ours", "plain")
    throughput("a new connection with one transaction, signing in on both sides", "first_signed", "simple", 0.9,
               "ours", "plain")
    duration("INSERT of 300,000 rows, time", "insert", "simple", 1.05)
    duration("UPDATE of 300,000 rows, time", "update", "simple", 1.05)
    for (i = 1; i <= 2; i++)
        duration("sequential scan of 1,000,000 rows forced, time, " modes[i], "scan", modes[i], 1.1)
    across("row by key", "across_point")
    across("50-row page", "across_page")
    across("count", "across_count")
    calls()
    reloads()
    for (i = 1; i <= 2; i++)
        churn("none", modes[i], "idle")
    for (i = 1; i <= 2; i++)
        churn("as many elsewhere", modes[i], "control")
    for (i = 1; i <= 2; i++)
        growth("row by key, time with 1,000,000 tenants, 101,000 users and 1,000 more roles to 1,000 tenants", modes[i], "million", "thousand")
    for (i = 1; i <= 2; i++)
        growth("row by key, time of a user in 10,000 tenants to one in 1", modes[i], "many", "million")

    if (measured("churn/simple/churn")) {
        print ""
        print "A reader can be faster under changes than alone: on an idle machine each of its statements waits for a processor to"
        print "wake up, on a busy one for none.  Changes of memberships keep it busier than as many elsewhere: each writes the audit."
    }
    if (!measured("part_stable/simple/ours"))
        exit
    print ""
    print "A query that names its tenant as a constant is planned for one partition by the simple protocol, and by the prepared"
    print "one too, since such a plan looks cheap enough to be made each time.  A policy's tenant is known when the query starts,"
    print "as that of any expression that is no constant: the others are planned and left out then (\"Subplans Removed: 63\"),"
    print "unless the query names its tenant beside the policy."
    print "Without a bar, to the same query without row-level security with `tenant_id = current_setting('bench.tenant')::uuid`:"
    print ""
    print "| what | measured | middle half | medians | the query alone |"
    print "|---|---|---|---|---|"
    for (i = 1; i <= 2; i++) {
        ours = "part_stable/" modes[i] "/ours"
        plain = "part_stable/" modes[i] "/plain"
        printf "| row by key of one of 64 hash partitions, %s | %.3f | %s | %s of %s | %s |\n", modes[i], ratio(ours, plain),
               spread(ours, plain), per_second(ours), per_second(plain), alone(ours, plain)
    }
}
