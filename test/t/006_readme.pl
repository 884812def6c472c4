# Every SQL block of the README, in order, on a fresh server: a newcomer who pastes them meets no error.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $readme = slurp_file("$ENV{TESTDIR}/README.md");
my @blocks = $readme =~ /^```sql\n(.*?)^```/msg;
cmp_ok(scalar @blocks, '>=', 7, 'the README has SQL to run');
my $script = join("\n", map { "\\echo block $_\n$blocks[$_]" } 0 .. $#blocks);
my ($rc, $out, $err) = $node->psql('postgres', $script, on_error_stop => 1);
is($rc, 0, 'all of it runs') or diag($err);
like($out, qr{^0\n.*^/v1/hello$}ms, 'nobody sees no row, Olivia sees hers');
$node->stop;
done_testing();
