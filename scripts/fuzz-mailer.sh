#!/bin/bash
# Runs the mailer's own code under AddressSanitizer and UndefinedBehaviorSanitizer, on random settings, templates, mails
# and answers of mail servers: test/fuzz/mailer.c. `make sanitize` does so with one seed, `make fuzz` for longer.
#
# fuzz-mailer.sh [SEED [FIRST [COUNT [SECONDS]]]]
set -euo pipefail

cd "$(dirname "$0")/.."
: "${PG_CONFIG:=/usr/lib/postgresql/15/bin/pg_config}"
directory=$(mktemp -d "${TEAMRBAC_TMPDIR:-/tmp}/teamrbac-fuzz.XXXXXX")
trap 'rm -rf "$directory"' EXIT

sources=(test/fuzz/{input,mailer}.c src/mailer/{address,config,message,reply,template,text}.c)
gcc -std=gnu11 -Wall -Wextra -O1 -g -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=all \
    -D_GNU_SOURCE -DMAILER_CONFIG='"config"' -DMAILER_TEMPLATE='"template"' \
    -Isrc/mailer -Itest/fuzz -I"$("$PG_CONFIG" --includedir)" "${sources[@]}" \
    -Wl,--wrap=die -Wl,--wrap=fopen -Wl,--wrap=fclose \
    -L"$("$PG_CONFIG" --libdir)" -lpq -lidn2 -o "$directory/fuzz-mailer"

# An input that dies leaves its memory to its process.
ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
    "$directory/fuzz-mailer" "${1:-1}" "${2:-0}" "${3:-200000}" "${4:-0}"
