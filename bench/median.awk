# The median, for the tables of the benchmarks.

function sort_numbers(list, n,    i, j, moved) {
    for (i = 2; i <= n; i++) {
        moved = list[i]
        for (j = i - 1; j > 0 && list[j] > moved; j--)
            list[j + 1] = list[j]
        list[j + 1] = moved
    }
}

function middle(list, n, key) {
    if (n == 0) {
        print "median.awk: no value of " key >"/dev/stderr"
        failed = 1
        exit 1
    }
    sort_numbers(list, n)
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
