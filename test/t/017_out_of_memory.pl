# Out of memory at any moment of each command: an error that says so, a session that goes on, and nothing of the command
# done.  A malloc of the test's own fails at the first, second, third, ... call after the command has arrived, as
# far as it makes calls.
#
# TEAMRBAC_OOM_STEP (default 20) says at each how-many-th call only.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Teamrbac;
use Test::More;

my $step = $ENV{TEAMRBAC_OOM_STEP} // 20;
my $limit = 2000;

# Where PostgreSQL, libc or OpenSSL has other words for it: RE_compile_and_cache, sha256_bytea, timestamptz_to_str, a
# collation's locale (from 18 on), and the hash of a key, whose library tells no reason.
my $own_words = qr/22023: could not create locale|2201B: (?:invalid regular expression|regular expression failed): out of memory|could not initialize SHA256 context|could not convert epoch to timestamp|could not compute a SHA-256 hash/;

my $library = PostgreSQL::Test::Utils::tempdir() . '/failing_malloc.so';
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
chomp(my $headers = `$pg_config --includedir-server`);
system('gcc', '-shared', '-fPIC', '-fno-builtin-malloc', '-fno-builtin-realloc', "-I$headers", "$ENV{TESTDIR}/test/failing_malloc.c", '-o', $library, '-ldl') == 0
	or die 'cannot build the library';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = off\nautovacuum = off\nlog_statement = none\nlog_min_error_statement = panic");
{
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
}
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION public.fail_malloc(int) RETURNS void LANGUAGE c AS '$library';
CREATE FUNCTION public.stop_failing() RETURNS boolean LANGUAGE c AS '$library';
SQL
# PostgreSQL 15 leaves half an entry in a backend's table of statistics when memory is short at the first access to a
# relation's, and crashes on it at the transaction's end.
my $know_statistics = 'DO $$BEGIN PERFORM pg_stat_get_numscans(oid) FROM pg_class; END$$';
my @commands = commands($node, 'postgres');
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# Runs a command, in a transaction that is rolled back, with the malloc failing at a call: all that was printed.
sub run_failing
{
	my ($sign_in, $sql, $call) = @_;
	my $printed = '';
	IPC::Run::run([ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'),
			map { ('-c', $_) } "LOAD 'teamrbac'; $sign_in", $know_statistics, 'BEGIN', "SELECT public.fail_malloc($call)", $sql,
			'SET CONSTRAINTS ALL IMMEDIATE', 'ROLLBACK', "SELECT 'failed ' || public.stop_failing()", "SELECT 'the session goes on'" ],
		'<', \undef, '>', \$printed, '2>&1');
	return $printed;
}

# What is wrong with what was printed, if anything.  An aborted transaction refuses what follows the error.
sub wrong
{
	my ($printed) = @_;
	my @errors = grep { !/25P02/ && !/$own_words/ } $printed =~ /((?:ERROR|FATAL|PANIC):  .*)/g;
	return '' if grep { /FATAL:  53200/ } @errors;
	return "the session is gone: $printed" if $printed !~ /the session goes on/;
	return join "\n", grep { !/ERROR:  53200/ } @errors;
}

my $total = 0;
for my $number (0 .. $#commands)
{
	my ($name, $sign_in, $sql) = @{ $commands[$number] };
	my $before = team($node, 'postgres');
	my ($failures, @wrong) = (0);
	# Not the same calls of each command.
	for (my $call = 1 + $number % $step; $call <= $limit; $call += $step)
	{
		my $printed = run_failing($sign_in, $sql, $call);
		my $wrong = wrong($printed);
		push @wrong, "call $call: $wrong" if $wrong ne '';
		# It needs fewer calls than that.
		last if $printed =~ /failed false/;
		$failures++;
	}
	is(differences($before, team($node, 'postgres')), '', "$name: nothing of it is done while memory is short");
	$node->safe_psql('postgres', "$sign_in $sql");
	is(join("\n", @wrong), '', "$name: out of memory $failures times, each an error and nothing else");
	isnt(differences($before, team($node, 'postgres')), '', "$name: done at last");
	$total += $failures;
}
cmp_ok($total, '>', @commands, "memory was short $total times");
is($node->safe_psql('postgres', broken_chains()), '0', 'every chain of the audit is whole');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
$node->stop;
done_testing();
