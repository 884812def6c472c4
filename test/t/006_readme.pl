# Every SQL block of the README, fenced or indented, in order, on a fresh server with pg_cron: a newcomer who pastes them
# meets no error.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use Markdown 'sql_blocks';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'postgres'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
my @blocks = sql_blocks(slurp_file("$ENV{TESTDIR}/README.md"));
cmp_ok(scalar @blocks, '>=', 8, 'the README has SQL to run');
is(scalar(grep { /schedule_maintenance/ } @blocks), 1, 'an indented block among it');
my $script = join("\n", map { "\\echo block $_\n$blocks[$_]" } 0 .. $#blocks);
my ($rc, $out, $err) = $node->psql('postgres', $script, on_error_stop => 1);
is($rc, 0, 'all of it runs') or diag($err);
like($out, qr{^0\n.*^/v1/hello$}ms, 'nobody sees no row, Olivia sees hers');
$node->stop;
done_testing();
