# Makes of RESULTS.md's first table a plot (-v form=svg), or the README's shorter table (-v form=table).

function trim(text) {
    gsub(/^ +| +$/, "", text)
    return text
}

function escape(text) {
    gsub(/`/, "", text)
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    return text
}

BEGIN { FS = "|" }

# | what, in which protocol | bar | measured | middle half | met or not | ...
trim($3) ~ /^[<>]= [0-9.]+$/ {
    what = trim($2)
    protocol = "simple"
    if (sub(/, prepared$/, "", what))
        protocol = "prepared"
    else if (!sub(/, simple$/, "", what))
        protocol = "either"
    if (!(what in bar)) {
        order[++cases] = what
        bar[what] = trim($3)
    }
    measured[what, protocol] = trim($4)
    missed[what, protocol] = $6 ~ /MISSED/
}

function cell(what, protocol) {
    if (!((what, protocol) in measured))
        return ""
    return measured[what, protocol] (missed[what, protocol] ? " (missed)" : "")
}

function write_table(    i, what, either) {
    print "| | bar | simple | prepared |"
    print "|---|---|---|---|"
    for (i = 1; i <= cases; i++) {
        what = order[i]
        either = cell(what, "either")
        printf "| %s | %s | %s | %s |\n", what, bar[what], either cell(what, "simple"), cell(what, "prepared")
    }
}

# x of a ratio in the plot, whose scale ends a little above 1.
function x(ratio) {
    return left + width * (ratio > most ? most : ratio) / most
}

function draw_bar(y, what, protocol, color,    value) {
    if (!((what, protocol) in measured))
        return
    value = measured[what, protocol]
    printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"9\" fill=\"%s\"/>\n", left, y, x(value) - left, color
    printf "<text x=\"%d\" y=\"%d\" class=\"n\">%.3f%s</text>\n", left + width + 8, y + 8, value,
           missed[what, protocol] ? " (missed)" : ""
}

function write_plot(    i, n, y, what, limit) {
    left = 470
    width = 380
    most = 1.25
    for (i = 1; i <= cases; i++)
        n += bar[order[i]] ~ /^>=/
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"%d\" font-family=\"sans-serif\">\n", 60 + 28 * n
    print "<title>Throughput with the permission check, of that without</title>"
    print "<style>text{font-size:12px;fill:#222}.n{font-size:10px}</style>"
    print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    print "<text x=\"10\" y=\"20\">Throughput relative to no row-level security (or to what is named): simple protocol (blue), prepared (green); what is aimed at (red)</text>"
    y = 36
    for (i = 1; i <= cases; i++) {
        what = order[i]
        if (bar[what] !~ /^>=/)
            continue
        limit = substr(bar[what], 4)
        printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left - 8, y + 14, escape(short(what))
        draw_bar(y, what, "simple", "#4a78b5")
        draw_bar(y + 10, what, "prepared", "#5a9e6f")
        draw_bar(y, what, "either", "#4a78b5")
        printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#c33\" stroke-width=\"2\"/>\n", x(limit), x(limit), y - 2, y + 21
        y += 28
    }
    printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"30\" y2=\"%d\" stroke=\"#888\" stroke-dasharray=\"3 3\"/>\n", x(1), x(1), y
    printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"n\">1.0</text>\n", x(1), y + 14
    print "</svg>"
}

# short cuts what does not fit beside the plot.
function short(what) {
    return length(what) > 72 ? substr(what, 1, 69) "..." : what
}

END {
    if (cases == 0) {
        print "plot.awk: no results" >"/dev/stderr"
        exit 1
    }
    if (form == "svg")
        write_plot()
    else
        write_table()
}
