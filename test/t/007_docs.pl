# The documentation is true: every SQL block runs as it stands, in order, each file on a database of its own, and
# the reference is what the objects' COMMENTs say.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

for my $name ('security', 'operations', 'cookbook', 'mail', 'gateways', 'audit', 'migrations')
{
	my $text = slurp_file("$ENV{TESTDIR}/docs/$name.md");
	my @blocks = $text =~ /^```sql\n(.*?)^```/msg;
	cmp_ok(scalar @blocks, '>=', 2, "$name: there is SQL to run");
	# What the documentation calls the application's database.
	my $db = $name eq 'operations' ? 'app' : $name;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	# A block may have changed how rows are printed.
	my $script = join("\n", map { "\\echo block $_\n\\pset format unaligned\n\\pset tuples_only on\n$blocks[$_]" } 0 .. $#blocks);
	my ($rc, $out, $err) = $node->psql($db, $script, on_error_stop => 1);
	is($rc, 0, "$name: all of it runs") or diag("$out\n$err");
	# What a comment "-- name: value" behind a query promises is what it prints.
	my @promises = map { /^.*;\s*-- prints: (.*)$/mg } @blocks;
	for my $promise (@promises)
	{
		like($out, qr/^\Q$promise\E$/m, "$name: prints $promise");
	}
	# What a block writes into a file is there, and goes with it.
	for my $file (map { /\\(?:o|g) (\w+\.\w+)$/mg } @blocks)
	{
		my $written = slurp_file($file);
		like($written, $file =~ /html$/ ? qr{^<table.*</table>.*^<table.*</table>}ms : qr/^item,kind,.*\n1,member,/, "$name: $file can be read");
		like($written, qr/changed to reader/, "$name: and says what was decided");
		unlink($file);
	}
	# Links lead somewhere.
	for my $link ($text =~ /\]\(([^)#:]+)\)/g)
	{
		ok(-e "$ENV{TESTDIR}/docs/$link", "$name: $link is there");
	}
}

# In a database whose collation is the documentation's.
$node->safe_psql('postgres', 'CREATE DATABASE reference');
$node->safe_psql('reference', 'CREATE EXTENSION teamrbac CASCADE');
my ($stdout, $stderr);
IPC::Run::run([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('reference'), '-f', "$ENV{TESTDIR}/scripts/reference.sql" ], '>', \$stdout, '2>', \$stderr);
is($stderr, '', 'the reference is printed');
my @written = split /\n/, slurp_file("$ENV{TESTDIR}/docs/reference.md");
my @printed = split /\n/, $stdout;
my @differ = grep { ($written[$_] // '') ne ($printed[$_] // '') } 0 .. (@printed > @written ? $#printed : $#written);
is(scalar @differ, 0, 'docs/reference.md is up to date, or run make docs')
  or diag("line " . ($differ[0] + 1) . ":\n- " . ($written[$differ[0]] // '') . "\n+ " . ($printed[$differ[0]] // ''));

$node->stop;
done_testing();
