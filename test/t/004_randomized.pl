# Several sessions change roles at random while others read; each read is held against what had been committed.
#
# TEAMRBAC_RANDOM_SECONDS (default 60) and TEAMRBAC_RANDOM_SEED set how long and which.
#
# The oracle keeps, for each user, the changes with the time before each was sent and the time after it had
# returned.  A read that was sent at s and answered at e must show the state of the last change that had
# returned before s, or that of a change under way between s and e.  Anything else is a violation.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{TEAMRBAC_RANDOM_SECONDS} // 60;
my $seed = srand($ENV{TEAMRBAC_RANDOM_SEED} // time);
note("TEAMRBAC_RANDOM_SEED=$seed");
my $users = 10;
my $tenant = '00000000-0000-0000-0000-000000000001';
sub user { sprintf('00000000-0000-0000-0000-0000000001%02d', shift) }

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none");
$node->start;
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('owner\@example.com', 'Owner', '${\user(0)}');
SELECT teamrbac.register_user(n || '\@example.com', n::text, ('00000000-0000-0000-0000-0000000001' || lpad(n::text, 2, '0'))::uuid) FROM generate_series(1, $users) n;
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES ('$tenant', 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$tenant', '${\user(0)}', 'owner');
COMMIT;
CREATE TABLE prompt (id int, tenant_id uuid NOT NULL);
INSERT INTO prompt SELECT g, CASE WHEN g <= 10 THEN '$tenant'::uuid ELSE gen_random_uuid() END FROM generate_series(1, 2000) g;
CREATE INDEX ON prompt (tenant_id);
ANALYZE prompt;
CREATE TABLE note (LIKE prompt INCLUDING ALL);
INSERT INTO note SELECT * FROM prompt;
ANALYZE note;
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit'), teamrbac.protect_table('note', 'prompts.view', 'prompts.edit', across_tenants => true);
CREATE ROLE app;
GRANT ALL ON prompt, note TO app;
-- The same read by a loop over a cursor, which may meet a change.
CREATE FUNCTION by_cursor() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	c CURSOR FOR SELECT 'p' AS what, false AS may FROM prompt UNION ALL SELECT 'n', false FROM note UNION ALL SELECT 'e', teamrbac.has_permission('$tenant', 'prompts.edit');
	r record;
	n int[] := '{0,0}';
	may boolean;
BEGIN
	FOR r IN c LOOP
		IF r.what = 'p' THEN n[1] := n[1] + 1; ELSIF r.what = 'n' THEN n[2] := n[2] + 1; ELSE may := r.may; END IF;
	END LOOP;
	RETURN concat_ws('|', n[1], n[2], left(may::text, 1));
EXCEPTION WHEN invalid_cursor_state THEN
	RETURN SQLSTATE;
END \$\$;
SQL

my $timer = IPC::Run::timer($seconds + $PostgreSQL::Test::Utils::timeout_default);
my @sessions;

sub session
{
	my (%self) = @_;
	my ($in, $out) = ('', '');
	my @command = ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('postgres'));
	$self{in} = \$in;
	$self{out} = \$out;
	$self{run} = IPC::Run::start(\@command, '<', \$in, '>', \$out, '2>&1', $timer);
	push @sessions, \%self;
	return \%self;
}

sub submit
{
	my ($s, $sql) = @_;
	${ $s->{out} } = '';
	$s->{sent} = time;
	$s->{busy} = 1;
	${ $s->{in} } .= "$sql\n\\echo done\n";
}

# The changes of each user: [sent, returned, state]; returned is undef while under way.
my @history = map { [ [ 0, 0, 'none' ] ] } 0 .. $users;
my ($reads, $changes, $rollbacks, @violations) = (0, 0, 0);

sub check_read
{
	my ($s, $answer) = @_;
	my ($from, $to) = ($s->{sent}, time);
	my @possible;
	for my $change (reverse @{ $history[ $s->{user} ] })
	{
		my ($sent, $returned, $state) = @$change;
		push @possible, $state if $sent <= $to;
		last if defined $returned && $returned < $from;
	}
	# All of a statement is of one state: rows of either kind of table, and what may be done.  A cursor may have been
	# ended by a change instead.
	my %states = (reader => '10|10|f', developer => '10|10|t', none => '0|0|f');
	$reads++;
	return if $answer eq '24000' && $s->{how} eq 'cursor' && @possible > 1;
	push @violations, "user $s->{user} by $s->{how}: $answer, not " . join(' or ', @possible)
		unless grep { $states{$_} eq $answer } @possible;
}

sub next_read
{
	my ($s) = @_;
	if (!$s->{in_transaction} || rand() < 0.02)
	{
		my $isolation = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')[ rand 3 ];
		submit($s, ($s->{in_transaction} ? 'COMMIT; ' : '') . "BEGIN ISOLATION LEVEL $isolation;");
		$s->{in_transaction} = 1;
		$s->{reading} = 0;
		return;
	}
	submit($s, $s->{how} eq 'prepared' ? 'EXECUTE see;' : $s->{how} eq 'cursor' ? 'SELECT by_cursor();'
		: "SELECT (SELECT count(*) FROM prompt), (SELECT count(*) FROM note), teamrbac.has_permission('$tenant', 'prompts.edit');");
	$s->{reading} = 1;
}

sub next_change
{
	my ($s) = @_;
	my $user = $s->{users}[ rand @{ $s->{users} } ];
	my $before = $history[$user][-1][2];
	my $after = (grep { $_ ne $before } qw(none reader developer))[ rand 2 ];
	my $id = user($user);
	my $sql = $after eq 'none' ? "CALL teamrbac.remove_member('$tenant', '$id');"
		: $before eq 'none' ? "INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ('$tenant', '$id', '$after');"
		: "CALL teamrbac.change_role('$tenant', '$id', '$after');";
	if (rand() < 0.2)
	{
		submit($s, rand() < 0.5 ? "BEGIN; $sql ROLLBACK;" : "BEGIN; SAVEPOINT s; $sql ROLLBACK TO s; COMMIT;");
		$s->{change} = undef;
		$rollbacks++;
	}
	else
	{
		submit($s, $sql);
		push @{ $history[$user] }, $s->{change} = [ $s->{sent}, undef, $after ];
		$changes++;
	}
}

for my $user (1 .. $users)
{
	my $how = ('index scan', 'sequential scan', 'prepared', 'cursor', 'parallel')[ $user % 5 ];
	my $s = session(kind => 'reader', user => $user, how => $how);
	submit($s, "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = " . ($how eq 'sequential scan' ? 'on' : 'off')
		. "; SET enable_indexscan = " . ($how eq 'sequential scan' ? 'off' : 'on') . "; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;"
		. ($how eq 'parallel' ? ' SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;' : '')
		. " SELECT teamrbac.sign_in('${\user($user)}', false); SET ROLE app;"
		. " PREPARE see AS SELECT (SELECT count(*) FROM prompt), (SELECT count(*) FROM note), teamrbac.has_permission('$tenant', 'prompts.edit');");
}
for my $writer (0 .. 2)
{
	my $s = session(kind => 'writer', users => [ grep { $_ % 3 == $writer } 1 .. $users ]);
	submit($s, "SELECT teamrbac.sign_in('${\user(0)}', false);");
}

my $end = time + $seconds;
my $open = @sessions;
while ($open > 0)
{
	for my $s (@sessions)
	{
		next if $s->{finished};
		$s->{run}->pump_nb;
		next if $s->{busy} && ${ $s->{out} } !~ /^done$/m;
		(my $answer = ${ $s->{out} }) =~ s/^(done)?\n//mg;
		chomp $answer;
		if ($s->{kind} eq 'writer')
		{
			push @violations, "a change failed: $answer" if $answer =~ /ERROR/;
			$s->{change}[1] = time if $s->{change};
		}
		elsif ($s->{reading}) { check_read($s, $answer) }
		if (time > $end) { $s->{finished} = 1; $open--; next }
		$s->{kind} eq 'writer' ? next_change($s) : next_read($s);
	}
}
for my $s (@sessions)
{
	${ $s->{in} } .= "\\q\n";
	$s->{run}->finish;
}
note("$reads reads, $changes changes, $rollbacks taken back, in $seconds s");
cmp_ok($reads, '>', 10 * $seconds, 'there were reads enough');
cmp_ok($changes, '>', 2 * $seconds, 'and changes');
is(scalar @violations, 0, 'no read showed a state that had been left') or diag(join("\n", @violations[ 0 .. ($#violations < 9 ? $#violations : 9) ]));
$node->stop;
done_testing();
