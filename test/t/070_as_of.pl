# team_at, roles_at and explain_permission_at say what was answered then: whatever happens at random, by commands and by hand,
# answers are recorded, and asked for again when all is over.
#
# TEAMRBAC_AS_OF_COMMANDS (default 1000) and TEAMRBAC_AS_OF_SEED set how many commands and which.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $commands = $ENV{TEAMRBAC_AS_OF_COMMANDS} // 1000;
my $seed = $ENV{TEAMRBAC_AS_OF_SEED} // 0.21;
note("TEAMRBAC_AS_OF_SEED=$seed");
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION teamrbac CASCADE;');
my ($rc, $out, $err) = $node->psql('postgres', '\i test/lib/as_of.sql', on_error_stop => 1);
is($rc, 0, 'the world is made') or diag($err);
$node->safe_psql('postgres', "SELECT setseed($seed); CALL live($commands);", timeout => 3600);
note($node->safe_psql('postgres', "SELECT command, count(*) FILTER (WHERE outcome = ''), count(*) FROM done GROUP BY 1 ORDER BY 1"));
# Each kind of command has been carried out, or the rest proves less than it says: what chance left out is given more of it.
my $refused_kinds = "SELECT string_agg(command, ', ' ORDER BY command) FROM (SELECT command FROM done"
	. " WHERE command !~ 'own role' OR to_regproc('teamrbac.define_tenant_role') IS NOT NULL GROUP BY 1 HAVING count(*) FILTER (WHERE outcome = '') = 0) AS x";
for (1 .. 20)
{
	last if $node->safe_psql('postgres', $refused_kinds) eq '';
	$node->safe_psql('postgres', 'CALL live(100);', timeout => 3600);
}
is($node->safe_psql('postgres', $refused_kinds), '', 'no kind of command was refused each time');
my ($answers, $yes) = split /\|/, $node->safe_psql('postgres', 'SELECT count(*), count(*) FILTER (WHERE answer) FROM answers');
cmp_ok($answers, '>', $commands, 'there were questions enough');
cmp_ok($yes, '>', $answers / 5, 'and not only refusals');
cmp_ok($yes, '<', $answers * 4 / 5, 'nor only permissions');
is($node->safe_psql('postgres', 'SELECT * FROM wrong_answers LIMIT 5', timeout => 3600), '', 'explain_permission_at answers as has_permission did');
is($node->safe_psql('postgres', 'SELECT * FROM wrong_teams LIMIT 5', timeout => 3600), '', 'team_at is the team that was');
is($node->safe_psql('postgres', 'SELECT * FROM wrong_roles LIMIT 5', timeout => 3600), '', 'roles_at are the roles that were');

# Retention takes away the first two thirds: what is within the rest is answered as before, what was earlier is not answered
# at all, or by what has not changed since.
my $age = $node->safe_psql('postgres', 'SELECT EXTRACT(epoch FROM clock_timestamp() - (SELECT from_time FROM answers ORDER BY n OFFSET (SELECT count(*) * 2 / 3 FROM answers) LIMIT 1))');
$node->safe_psql('postgres', "SET teamrbac.audit_retention = '$age s'; SELECT teamrbac.purge_audit_batch(1000000);");
$node->safe_psql('postgres', 'CREATE TABLE kept AS SELECT a.*, kept_answer(tenant_id, who, permission, from_time) AS at_first, kept_answer(tenant_id, who, permission, to_time) AS at_last FROM answers AS a;'
	. ' CREATE TABLE kept_teams AS SELECT t.*, kept_team(tenant_id, from_time) AS kept FROM teams AS t', timeout => 3600);
my ($told, $refused) = split /\|/, $node->safe_psql('postgres', 'SELECT count(at_first), count(*) FILTER (WHERE at_first IS NULL) FROM kept');
cmp_ok($told, '>', $answers / 10, 'answers are still given');
cmp_ok($refused, '>', $answers / 10, 'and refused where they rest on what has been removed');
is($node->safe_psql('postgres', 'SELECT * FROM kept WHERE at_first <> answer AND at_last <> answer LIMIT 5'), '', 'none of them is another than before');
is($node->safe_psql('postgres', "SELECT * FROM kept_teams WHERE kept <> COALESCE(team, 'nobody') LIMIT 5"), '', 'nor any team');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kept_teams WHERE kept IS NOT NULL') > 0, 1, 'there are some');
done_testing();
