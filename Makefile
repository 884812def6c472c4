# teamrbac, a PostgreSQL extension.
#
#   make && make install && make installcheck    on any server with its development files (PGXS)
#   make test                                    on Debian 12: installs what is missing, then runs
#                                                every test on a throw-away server
#
# PG_CONFIG chooses the PostgreSQL to build for.

MODULE_big = teamrbac
# The second one is SQL alone: what gateways that cannot CALL are given.
EXTENSION  = $(MODULE_big) $(MODULE_big)_api
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(MODULE_big).control)
PGFILEDESC = "teamrbac - teams, roles and permission checks"

# src/mailer is a program of its own and no part of the library.
OBJS = $(patsubst %.c,%.o,$(sort $(filter-out src/mailer/%,$(wildcard src/*.c src/*/*.c))))

CORE_SCRIPT = sql/$(MODULE_big)--$(EXTVERSION).sql
API_SCRIPT = sql/$(MODULE_big)_api--$(EXTVERSION).sql
DATA_built = $(CORE_SCRIPT) $(API_SCRIPT)
# In CPPFLAGS rather than CFLAGS, because the bitcode is compiled with the former only.
PG_CPPFLAGS = -Isrc -DTEAMRBAC_VERSION='"$(EXTVERSION)"'
# PostgreSQL's interfaces (PG_FUNCTION_ARGS, hooks) fix parameters that a function may not need, and
# its macros mix int with Size.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
ifeq ($(WERROR),1)
PG_CFLAGS += -Werror
endif

# Each may be narrowed: REGRESS="name ...", ISOLATION="name ...", PROVE_TESTS="test/t/name.pl ...";
# an empty value skips that runner.
REGRESS ?= $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
ISOLATION ?= $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
PROVE_TESTS ?= $(sort $(wildcard test/t/*.pl))
REGRESS_OPTS = --inputdir=test
# Both runners read ./expected; PGXS would send this one to output_iso, where there is none.
ISOLATION_OPTS = --inputdir=test --outputdir=.

EXTRA_CLEAN = results regression.diffs regression.out tmp_check

# Debian's place for version 15 first: /usr/bin/pg_config there may speak for another version.
PG_CONFIG ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
# Debian's client package brings pgxs.mk alone: only the server's headers tell that PGXS is complete.
PGXS := $(if $(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h),\
	$(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null)))

all:

ifneq ($(PGXS),)

# PostgreSQL built with LLVM wants bitcode of us too, which only lets its JIT inline our functions.
# Where the tools for it are missing, leave it out rather than fail.
PGXS_GLOBAL := $(dir $(PGXS))../Makefile.global
BITCODE_TOOLS := $(shell sed -n -e 's/^CLANG *= *//p' \
	-e 's|^LLVM_BINPATH *= *\(.*\)|\1/llvm-lto|p' $(PGXS_GLOBAL))
ifneq ($(words $(BITCODE_TOOLS)),$(words $(foreach t,$(BITCODE_TOOLS),$(shell command -v $(t)))))
override with_llvm = no
endif

include $(PGXS)

# Tokens are verified by the libcrypto that the server is linked with; without one they are refused.
ifeq ($(with_ssl),openssl)
SHLIB_LINK += -lcrypto
endif

# PGXS knows nothing of our headers and version; a change in them rebuilds all, which takes seconds.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h) $(MODULE_big).control Makefile

# The folders are prerequisites so that a removed part is noticed.
$(CORE_SCRIPT): $(sort $(wildcard sql/parts/*.sql)) sql/parts
$(API_SCRIPT): $(sort $(wildcard sql/api/*.sql)) sql/api
$(DATA_built): Makefile $(MODULE_big).control
	cat $(filter %.sql,$^) >$@.tmp
	mv $@.tmp $@

# Whether what calls what goes downward only, by the object files.
.PHONY: layers
layers: $(OBJS)
	@scripts/check-layers.sh $(OBJS)

# Packages build the extension for each PostgreSQL, and the mailer once: all-mailer and install-mailer.
WITH_MAILER ?= yes
include src/mailer/mailer.mk

# PGXS's own target looks for TAP tests in t/ only.
.PHONY: prove_installcheck
prove_installcheck:
	rm -rf '$(CURDIR)'/tmp_check
	$(MKDIR_P) '$(CURDIR)'/tmp_check/log
	TESTDIR='$(CURDIR)' TESTDATADIR='$(CURDIR)/tmp_check' TESTLOGDIR='$(CURDIR)/tmp_check/log' \
	PATH="$(bindir):$$PATH" PGPORT='6$(DEF_PGPORT)' \
	PG_REGRESS='$(top_builddir)/src/test/regress/pg_regress' \
	$(PROVE) $(PG_PROVE_FLAGS) $(PROVE_FLAGS) $(PROVE_TESTS)

else

.PHONY: all install uninstall installcheck prove_installcheck clean layers
all install uninstall installcheck prove_installcheck clean layers:
	@echo "teamrbac: no PostgreSQL development files found through '$(PG_CONFIG)': run 'make dependencies' (Debian 12), or name the right pg_config with PG_CONFIG=/path/to/pg_config." >&2
	@exit 1

endif

# What follows works before anything is installed, because the scripts install it.
.PHONY: dependencies test test-postgres test-all-versions coverage sanitize fuzz demo bench bench-18 bench-mail bench-expire bench-keys bench-tokens bench-pages bench-roles bench-evidence bench-use docs format format-check deb dist test-packages test-gateways demo-web test-web test-clients

dependencies:
	scripts/install-dependencies.sh

# See scripts/run-tests.sh for TESTS, REGRESS, ISOLATION, PROVE_TESTS and KEEP.
test:
	@scripts/run-tests.sh

# PostgreSQL's own suites with the library preloaded: see scripts/test-postgres-suites.sh for POSTGRES_SOURCE.
test-postgres:
	@scripts/test-postgres-suites.sh

# See scripts/test-all-versions.sh for TEAMRBAC_CHROOTS.
test-all-versions:
	@scripts/test-all-versions.sh

# How many lines of the C code the tests execute, and which they don't.
coverage:
	@scripts/coverage.sh

# The mailer on random input, the regression and isolation tests, under AddressSanitizer and UndefinedBehaviorSanitizer.
sanitize:
	@scripts/sanitize.sh

# What the tests do with hostile input, random queries, random teams and without memory for a minute or two, for longer.
fuzz:
	@TEAMRBAC_FUZZ_SECONDS=300 TEAMRBAC_SQLSMITH_QUERIES=20000 TEAMRBAC_SQLSMITH_SEEDS="$$(date +%s)" TEAMRBAC_OOM_STEP=3 \
		TEAMRBAC_DIFFERENTIAL_SECONDS=600 TEAMRBAC_DIFFERENTIAL_SEED="$$(date +%s)" \
		TEAMRBAC_AS_OF_COMMANDS=10000 TEAMRBAC_AS_OF_SEED="0.$$(date +%s)" \
		TESTS="014_fuzz 016_sqlsmith 017_out_of_memory 018_differential 070_as_of" scripts/run-tests.sh
	@scripts/fuzz-mailer.sh "$$(date +%s)" 0 0 300

# Debian's packages and PGXN's archive go to dist/; the test installs both in a fresh system.
deb:
	@scripts/make-deb.sh

dist:
	@scripts/make-dist.sh

test-packages:
	@scripts/test-packages.sh

# See scripts/test-gateways.sh for GATEWAYS and POSTGREST.
test-gateways:
	@scripts/test-gateways.sh

# See scripts/test-clients.sh for CLIENTS and TOOLS.
test-clients:
	@scripts/test-clients.sh
	@scripts/test-gateways.sh

demo:
	@scripts/with-cluster.sh --cron -- demo/run.sh

# The team page in a browser, and its story clicked through by one: see scripts/team-page.sh for TEAM_PAGE_PORT and PICTURES.
demo-web:
	@scripts/team-page.sh demo

test-web:
	@scripts/team-page.sh test

# See bench/run.sh for BENCH_SECONDS, BENCH_ROUNDS and BENCH_CASES; about 12 minutes. What is written elsewhere than to
# bench/RESULTS.md goes into no plot.
BENCH_RESULTS = bench/RESULTS.md
bench:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'autovacuum = off' \
		--set 'shared_preload_libraries = teamrbac' -- bench/run.sh >$(BENCH_RESULTS).tmp \
		|| { rm -f $(BENCH_RESULTS).tmp; exit 1; }
	@mv $(BENCH_RESULTS).tmp $(BENCH_RESULTS)
	@[ $(BENCH_RESULTS) != bench/RESULTS.md ] || bench/publish.sh
	@cat $(BENCH_RESULTS)

# The same on PostgreSQL 18, in the directory where it is tested; as root. The table goes to bench/RESULTS-18.md.
bench-18:
	@keep=$$(mktemp -d) && trap "rm -rf $$keep" EXIT && KEEP=$$keep \
		TEAMRBAC_RUN='make -s -C /src bench BENCH_RESULTS=/keep/RESULTS-18.md' scripts/test-all-versions.sh 18 && \
		cp $$keep/18/RESULTS-18.md bench/RESULTS-18.md

# See bench/mail.sh for BENCH_MAILS.
bench-mail:
	@scripts/with-cluster.sh -- bench/mail.sh >bench/MAIL.md.tmp || { rm -f bench/MAIL.md.tmp; exit 1; }
	@mv bench/MAIL.md.tmp bench/MAIL.md
	@cat bench/MAIL.md

# See bench/api_key.sh for BENCH_SECONDS and BENCH_ROUNDS.
bench-keys:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'autovacuum = off' --set 'max_connections = 130' \
		-- bench/api_key.sh >bench/KEYS.md.tmp || { rm -f bench/KEYS.md.tmp; exit 1; }
	@mv bench/KEYS.md.tmp bench/KEYS.md
	@cat bench/KEYS.md

# See bench/pages.sh for BENCH_MEMBERS and BENCH_EVENTS.
bench-pages:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'max_wal_size = 4GB' \
		-- bench/pages.sh >bench/PAGES.md.tmp || { rm -f bench/PAGES.md.tmp; exit 1; }
	@mv bench/PAGES.md.tmp bench/PAGES.md
	@cat bench/PAGES.md

# See bench/roles.sh for BENCH_TENANTS, BENCH_TENANT_ROLES and BENCH_ROUNDS.
bench-roles:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'max_wal_size = 4GB' --set 'autovacuum = off' \
		-- bench/roles.sh >bench/ROLES.md.tmp || { rm -f bench/ROLES.md.tmp; exit 1; }
	@mv bench/ROLES.md.tmp bench/ROLES.md
	@cat bench/ROLES.md

# See bench/token.sh for BENCH_TOKENS and BENCH_ROUNDS.
bench-tokens:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'autovacuum = off' -- bench/token.sh >bench/TOKENS.md.tmp \
		|| { rm -f bench/TOKENS.md.tmp; exit 1; }
	@mv bench/TOKENS.md.tmp bench/TOKENS.md
	@cat bench/TOKENS.md

# The reference is what the COMMENTs say; a test fails when it isn't.
docs:
	@scripts/with-cluster.sh -- scripts/make-reference.sh >docs/reference.md.tmp || { rm -f docs/reference.md.tmp; exit 1; }
	@mv docs/reference.md.tmp docs/reference.md

# See bench/expire.sh for BENCH_TENANTS and BENCH_INVITATIONS. As durable as a server in production.
bench-expire:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'max_wal_size = 4GB' --set 'fsync = on' \
		--set 'full_page_writes = on' -- bench/expire.sh >bench/EXPIRE.md.tmp || { rm -f bench/EXPIRE.md.tmp; exit 1; }
	@mv bench/EXPIRE.md.tmp bench/EXPIRE.md
	@cat bench/EXPIRE.md

# See bench/use.sh for BENCH_SECONDS and BENCH_ROUNDS.
bench-use:
	@scripts/with-cluster.sh --set 'autovacuum = off' -- bench/use.sh >bench/USE.md.tmp || { rm -f bench/USE.md.tmp; exit 1; }
	@mv bench/USE.md.tmp bench/USE.md
	@cat bench/USE.md

# See bench/evidence.sh for BENCH_EVENTS and BENCH_MEMBERS.
bench-evidence:
	@scripts/with-cluster.sh --set 'shared_buffers = 1GB' --set 'max_wal_size = 4GB' \
		-- bench/evidence.sh >bench/EVIDENCE.md.tmp || { rm -f bench/EVIDENCE.md.tmp; exit 1; }
	@mv bench/EVIDENCE.md.tmp bench/EVIDENCE.md
	@cat bench/EVIDENCE.md

CLANG_FORMAT ?= clang-format
C_SOURCES = $(sort $(wildcard src/*.[ch] src/*/*.[ch]))

format:
	$(CLANG_FORMAT) -i $(C_SOURCES)

format-check:
	@$(CLANG_FORMAT) --dry-run --Werror $(C_SOURCES)
	@echo "$(words $(C_SOURCES)) C files formatted as .clang-format asks."
