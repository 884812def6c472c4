#!/bin/bash
# Runs the mailer's code on random input (fuzz-mailer.sh, always the same), then the regression and isolation tests
# and those of tokens, under AddressSanitizer and UndefinedBehaviorSanitizer, whose first finding ends the program or
# backend and so fails; `make sanitize` calls this.
# The server is Debian's own, so it has to be started with the sanitizer's library in front.
#
# TESTS and the like narrow the tests, as for run-tests.sh.
set -euo pipefail

cd "$(dirname "$0")/.."
scripts/install-dependencies.sh
scripts/fuzz-mailer.sh 1 0 500000
asan=$(gcc -print-file-name=libasan.so)

# With the sanitizer in front, Debian 12's postgres waits for ever in its first call of bindtextdomain: it does
# without translations.
shim=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-sanitize.XXXXXX")
trap 'rm -rf "$shim"' EXIT
chmod 755 "$shim"
gcc -shared -fPIC -x c -o "$shim/shim.so" - <<'EOF'
char *bindtextdomain(const char *domain, const char *directory) { return (char *) directory; }
char *textdomain(const char *domain) { return (char *) domain; }
char *bind_textdomain_codeset(const char *domain, const char *codeset) { return (char *) codeset; }
EOF

export COPT='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g' with_llvm=no
# A backend leaves its memory to the operating system: no leaks are looked for.
scripts/with-cluster.sh --cron=contrib_regression \
    --server-env "LD_PRELOAD=$asan $shim/shim.so" \
    --server-env ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0 \
    --server-env UBSAN_OPTIONS=print_stacktrace=1 \
    -- env PROVE_TESTS='test/t/050_tokens.pl test/t/051_token_attacks.pl test/t/052_token_sign_in.pl' \
    TEAMRBAC_SERVER_PRELOAD="$asan $shim/shim.so" \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1 \
    scripts/test-runners.sh
