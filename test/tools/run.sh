#!/bin/bash
# What schema tools do to a protected table, each with the block of its section in docs/migrations.md; within
# scripts/with-cluster.sh.
#
#   run.sh MODULES TOOL...     MODULES: where npm has put node's packages
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
modules=$1
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/tools.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$tool: $*" >&2
    exit 1
}

# block TITLE
block() {
    perl -Itest/lib -MMarkdown=section -0777 -e '
        open my $document, "<", "docs/migrations.md" or die;
        print section(<$document>, $ARGV[0]) =~ /^```\w+\n(.*?)^```/ms' "$1"
}

value() {
    psql -XAtq -v ON_ERROR_STOP=1 -c "$1"
}

is_protected() {
    [ -z "$(value "SELECT 1 FROM teamrbac.check_setup() WHERE object = 'public.note' AND severity <> 'notice'")" ] &&
        [ "$(value "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = 'note'::regclass")" = t ] &&
        [ "$(value "SELECT count(*) FROM pg_policy WHERE polrelid = 'note'::regclass")" = 5 ]
}

has_column() {
    [ "$(value "SELECT 1 FROM pg_attribute WHERE attrelid = 'note'::regclass AND attname = '$1'")" = 1 ]
}

push() {
    (cd "$work/drizzle" && SCHEMA=./$1 timeout 120 npx drizzle-kit push --force --verbose </dev/null) \
        >"$work/out" 2>&1
}

drizzle_kit() {
    mkdir "$work/drizzle"
    ln -s "$modules/node_modules" "$work/drizzle/node_modules"
    cat >"$work/drizzle/drizzle.config.js" <<'JS'
module.exports = { dialect: 'postgresql', schema: process.env.SCHEMA, dbCredentials: { url: process.env.TOOL_URL } }
JS
    block drizzle-kit | sed '$a exports.note = note' >"$work/drizzle/declared.js"
    # As one writes it who knows nothing of policies.
    sed -e '/\.\.\.protectedBy/d' -e 's/^).enableRLS()/)/' "$work/drizzle/declared.js" >"$work/drizzle/undeclared.js"
    # It ends with 0 whatever happened.
    push undeclared.js || true
    grep -q 'without its protection' "$work/out" || fail "the guard has not refused: $(cat "$work/out")"
    is_protected || fail 'push has undressed a guarded table'
    ! has_column added || fail 'push went on after the refusal'
    push declared.js || fail "$(cat "$work/out")"
    is_protected && has_column added || fail "push of what is declared: $(cat "$work/out")"
    push declared.js
    grep -q 'No changes detected' "$work/out" || fail "a second push: $(cat "$work/out")"
    # What it does where nobody guards, and that it is found and put back.
    value 'SELECT teamrbac.unguard_protection()'
    push undeclared.js
    ! is_protected || fail 'push has learnt to leave policies alone: the document says that it does not'
    [[ $(value "SELECT severity FROM teamrbac.check_setup() WHERE object = 'public.note'") == *critical* ]] ||
        fail 'not found'
    value 'SELECT teamrbac.restore_protection()' >/dev/null
    is_protected || fail 'not put back'
}

django() {
    mkdir -p "$work/django/notes/migrations"
    touch "$work/django/notes/__init__.py" "$work/django/notes/migrations/__init__.py"
    cat >"$work/django/settings.py" <<'PY'
import os
USE_TZ = True
SECRET_KEY = "test"
INSTALLED_APPS = ["notes"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["PGHOST"],
                         "PORT": os.environ["PGPORT"], "USER": "migrator", "NAME": os.environ["PGDATABASE"]}}
PY
    cat >"$work/django/notes/models.py" <<'PY'
from django.db import models

class Note(models.Model):
    tenant_id = models.UUIDField()
    n = models.IntegerField(default=0)

    class Meta:
        db_table = "note"
        indexes = [models.Index(fields=["tenant_id"], name="note_tenant")]
PY
    manage() {
        (cd "$work/django" && DJANGO_SETTINGS_MODULE=settings /usr/bin/python3 -m django "$@" >"$work/out" 2>&1) ||
            fail "$* $(cat "$work/out")"
    }
    value 'DROP TABLE note'
    manage makemigrations notes
    block Django >"$work/django/notes/migrations/0002_protect.py"
    manage migrate
    is_protected || fail "the document's migration protects nothing"
    sed -i -e 's/    n = .*/&\n    added = models.IntegerField(null=True)/' \
        -e 's/n = models.Integer/n = models.BigInteger/' "$work/django/notes/models.py"
    manage makemigrations notes
    manage migrate
    is_protected && has_column added || fail 'a column added, another one changed'
    manage migrate notes 0001
    ! is_protected || fail 'backwards'
}

alembic() {
    # The document's block, given by the whole of a migration's environment.
    block Alembic >"$work/include_name.py"
    PYTHONPATH=$work /usr/bin/python3 -W ignore - <<'PY' || fail 'autogenerate'
import os
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, create_engine, text
from sqlalchemy.dialects.postgresql import UUID
from include_name import include_name

metadata = MetaData()
Table("note", metadata, Column("tenant_id", UUID, primary_key=True), Column("id", BigInteger, primary_key=True),
      Column("n", Integer, nullable=False, server_default=text("0")), Column("added", Integer))
engine = create_engine("postgresql://migrator@/%s?host=%s&port=%s" % tuple(
    os.environ[name] for name in ("PGDATABASE", "PGHOST", "PGPORT")))


def found(**options):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return [change[0:2] for change in compare_metadata(context, metadata)]


assert [change[0] for change in found()] == ["add_column"], found()
removed = {change[1].name for change in found(include_schemas=True) if change[0] == "remove_table"}
assert "membership" in removed, "it leaves teamrbac's tables alone: the document says that it does not"
assert [change[0] for change in found(include_schemas=True, include_name=include_name)] == ["add_column"]
with engine.begin() as connection:
    context = MigrationContext.configure(connection)
    operations = Operations(context)
    for operation in produce_migrations(context, metadata).upgrade_ops.ops:
        for each in operation.ops:
            operations.invoke(each)
PY
    is_protected && has_column added || fail 'a column added'
}

rails() {
    block Rails | grep -q 'schema_format = :sql' || fail 'the document recommends something else'
    ruby - "$work/schema.rb" <<'RB' || fail 'schema.rb'
require 'active_record'
require 'active_record/schema_dumper'
ActiveRecord::Base.establish_connection(
  adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], username: 'migrator', database: ENV['PGDATABASE']
)
ActiveRecord::Migration.verbose = false
Class.new(ActiveRecord::Migration[6.1]) { def change = add_column(:note, :added, :integer) }.new.migrate(:up)
File.open(ARGV[0], 'w') { |file| ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, file) }
RB
    is_protected && has_column added || fail 'a column added'
    ! grep -qi policy "$work/schema.rb" || fail 'schema.rb has policies: the document says that it has not'
    pg_dump -s -f "$work/structure.sql"
    createdb from_structure
    psql -Xq -v ON_ERROR_STOP=1 -d from_structure -f "$work/structure.sql" >/dev/null
    PGDATABASE=from_structure is_protected || fail 'structure.sql'
}

# prisma ARGUMENT...: its output in $work/out.
prisma() {
    (cd "$work/prisma" && timeout 120 npx prisma "$@" </dev/null) >"$work/out" 2>&1
}

prisma_migration() {
    mkdir -p "$work/prisma/migrations/$1"
    cat >"$work/prisma/migrations/$1/migration.sql"
    prisma migrate deploy || fail "$1: $(cat "$work/out")"
}

prisma_tools() {
    export CHECKPOINT_DISABLE=1 PRISMA_SCHEMA_ENGINE_BINARY=/bin/true PRISMA_QUERY_ENGINE_LIBRARY=/bin/true
    mkdir "$work/prisma"
    ln -s "$modules/prisma-tools/node_modules" "$work/prisma/node_modules"
    cp test/tools/prisma/{prisma.config.js,schema.prisma} "$work/prisma"
    cd "$work/prisma"
    value 'DROP TABLE note'

    # The document's way: what differs between two schemas, and what the document adds, by migrate deploy.
    prisma migrate diff --from-empty --to-schema-datamodel schema.prisma --script
    { sed -n '/^CREATE TABLE/,/;$/p' "$work/out" && (cd "$top" && block Prisma); } | prisma_migration 1_note
    is_protected || fail "the document's migration protects nothing"
    cp schema.prisma before.prisma
    sed -i -e 's/^  n .*/&\n  added Int?/' -e 's/^  n  *Int /  n BigInt /' schema.prisma
    prisma migrate diff --from-schema-datamodel before.prisma --to-schema-datamodel schema.prisma --script
    sed -n '/^ALTER TABLE/,/;$/p' "$work/out" | prisma_migration 2_added
    is_protected && has_column added || fail 'a column added, another one changed'

    # What compares the database with the schema.
    ! prisma db push --skip-generate || fail 'push has learnt to read keys into other schemas: the document says not'
    grep -q P4002 "$work/out" || fail "push: $(cat "$work/out")"
    value 'ALTER TABLE note DROP CONSTRAINT note_tenant_id_fkey'
    sed -i -e '/^  added /d' schema.prisma
    prisma db push --skip-generate --accept-data-loss || fail "push without the key: $(cat "$work/out")"
    is_protected && ! has_column added || fail 'push has undressed a table'
    prisma db push --skip-generate --force-reset || fail "push --force-reset: $(cat "$work/out")"
    ! is_protected || fail 'a reset leaves policies: the document says that it makes the tables anew'
    cd "$top"
}

for tool; do
    dropdb --if-exists tools 2>/dev/null
    dropdb --if-exists from_structure 2>/dev/null
    psql -Xq -d postgres -c 'DROP ROLE IF EXISTS migrator' -c 'CREATE DATABASE tools' 2>/dev/null
    export PGDATABASE=tools
    export TOOL_URL="postgresql://migrator@localhost/tools?host=$PGHOST&port=$PGPORT"
    psql -Xq -v ON_ERROR_STOP=1 -f "$top/test/tools/setup.sql" >/dev/null
    case $tool in
        drizzle-kit) drizzle_kit ;;
        Django) django ;;
        Alembic) alembic ;;
        Rails) rails ;;
        Prisma) prisma_tools ;;
        *) fail 'unknown' ;;
    esac
    echo "$tool: as docs/migrations.md says."
done
