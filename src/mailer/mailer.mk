# teamrbac-mailer: a program of its own, built where libcurl and libpq have their development files.
# Included by the Makefile, after PGXS.

CURL_CONFIG ?= curl-config
# Packages put the unit where systemd looks; otherwise it is for `systemctl link`.
SYSTEMD_UNITDIR ?= $(datadir)/$(MODULE_big)
MAILER_CONFIG ?= /etc/teamrbac/mailer.conf

MAILER = teamrbac-mailer
MAILER_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/mailer/*.c)))
MAILER_DATADIR = $(datadir)/$(MODULE_big)
MAILER_CURL := $(shell $(CURL_CONFIG) --libs 2>/dev/null)
MAILER_LIBPQ := $(wildcard $(includedir)/libpq-fe.h)
MAILER_IDN := $(shell echo '\#include <idn2.h>' | $(CC) -E - >/dev/null 2>&1 && echo -lidn2)

.PHONY: all-mailer install-mailer uninstall-mailer clean-mailer
ifeq ($(WITH_MAILER),yes)
all: all-mailer
install: install-mailer
uninstall: uninstall-mailer
clean: clean-mailer
endif

ifneq ($(and $(MAILER_CURL),$(MAILER_LIBPQ),$(MAILER_IDN)),)

all-mailer: $(MAILER) src/mailer/$(MAILER).service

MAILER_CPPFLAGS = -D_GNU_SOURCE -DTEAMRBAC_VERSION='"$(EXTVERSION)"' \
	-DMAILER_CONFIG='"$(MAILER_CONFIG)"' -DMAILER_TEMPLATE='"$(MAILER_DATADIR)/mail-template"' \
	-I$(includedir) $(shell $(CURL_CONFIG) --cflags)
MAILER_CFLAGS = -std=gnu11 -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror)

# PGXS compiles for a library of the server's: this is for a program.
$(MAILER_OBJS): %.o: %.c $(wildcard src/mailer/*.h) src/mailer/mailer.mk $(MODULE_big).control
	$(CC) $(CFLAGS) $(MAILER_CFLAGS) $(MAILER_CPPFLAGS) -c -o $@ $<

$(MAILER): $(MAILER_OBJS)
	$(CC) $(CFLAGS) $(MAILER_OBJS) $(LDFLAGS) -L$(libdir) -lpq $(MAILER_CURL) $(MAILER_IDN) -o $@

src/mailer/$(MAILER).service: src/mailer/$(MAILER).service.in
	sed -e 's|@bindir@|$(bindir)|' $< >$@.tmp
	mv $@.tmp $@

install-mailer: all-mailer
	$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(MAILER_DATADIR)' '$(DESTDIR)$(mandir)/man1' '$(DESTDIR)$(SYSTEMD_UNITDIR)'
	$(INSTALL_PROGRAM) $(MAILER) '$(DESTDIR)$(bindir)/$(MAILER)'
	$(INSTALL_DATA) src/mailer/mail-template '$(DESTDIR)$(MAILER_DATADIR)/mail-template'
	$(INSTALL_DATA) src/mailer/mailer.conf.sample '$(DESTDIR)$(MAILER_DATADIR)/mailer.conf.sample'
	$(INSTALL_DATA) src/mailer/$(MAILER).1 '$(DESTDIR)$(mandir)/man1/$(MAILER).1'
	$(INSTALL_DATA) src/mailer/$(MAILER).service '$(DESTDIR)$(SYSTEMD_UNITDIR)/$(MAILER).service'

uninstall-mailer:
	rm -f '$(DESTDIR)$(bindir)/$(MAILER)' '$(DESTDIR)$(MAILER_DATADIR)/mail-template' \
		'$(DESTDIR)$(MAILER_DATADIR)/mailer.conf.sample' '$(DESTDIR)$(mandir)/man1/$(MAILER).1' \
		'$(DESTDIR)$(SYSTEMD_UNITDIR)/$(MAILER).service'

else

MAILER_MISSING = $(if $(MAILER_CURL),,$(CURL_CONFIG) (Debian: libcurl4-openssl-dev)) \
	$(if $(MAILER_LIBPQ),,$(includedir)/libpq-fe.h (Debian: libpq-dev)) \
	$(if $(MAILER_IDN),,idn2.h (Debian: libidn2-dev))

all-mailer:
	@echo "teamrbac: $(MAILER) is left out, for want of: $(strip $(MAILER_MISSING))" >&2

install-mailer uninstall-mailer: all-mailer

endif

clean-mailer:
	rm -f $(MAILER) $(MAILER_OBJS) src/mailer/$(MAILER).service
