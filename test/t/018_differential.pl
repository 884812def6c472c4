# Random queries and changes of a protected schema, against a copy of it under policies written by hand in plain SQL
# that look into the membership table by sub-selects: the same rows, the same errors, the same tables afterwards; and a
# function in WHERE that tells what it is given is given permitted rows only.  In between the team changes.
#
# TEAMRBAC_DIFFERENTIAL_SEED (default 1) sets which, TEAMRBAC_DIFFERENTIAL_SECONDS how long (default: a fixed number of
# batches, so that a run can be repeated).  A difference prints the statements that lead to it.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{TEAMRBAC_DIFFERENTIAL_SEED} // 1;
my $seconds = $ENV{TEAMRBAC_DIFFERENTIAL_SECONDS};
my $batches = 12;
my $statements = 60;
note("TEAMRBAC_DIFFERENTIAL_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'EOC');
log_statement = none
log_min_error_statement = panic
log_min_messages = fatal
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
min_parallel_index_scan_size = 0
jit = off
EOC
$node->start;

# ---- the two schemas ---------------------------------------------------------------------------------------

# name => [view, edit, columns of the key, how it is protected, partitioning]
my %tables = (
	a => { view => 'prompts.view', edit => 'prompts.edit', key => 'tenant_id, id', how => 'here' },
	b => { view => 'endpoints.view', edit => 'endpoints.edit', key => 'id', how => 'here' },
	h => { view => 'logs.view', edit => 'snippets.edit', key => 'tenant_id, id', how => 'here', parts => 'HASH (tenant_id)' },
	r => { view => 'snippets.view', edit => 'prompts.edit', key => 'id, tenant_id', how => 'here', parts => 'RANGE (id)' },
	x => { view => 'prompts.view', edit => 'endpoints.edit', key => 'tenant_id, id', how => 'across' },
	y => { view => 'endpoints.view', edit => 'prompts.edit', key => 'id', how => 'across' },
	o => { view => 'team.manage', edit => 'team.manage', own => 'prompts.view', own_edit => 'prompts.edit', key => 'tenant_id, id', how => 'own' });
my @tables = sort keys %tables;

sub create_table
{
	my ($schema, $name) = @_;
	my $t = $tables{$name};
	my $sql = "CREATE TABLE $schema.$name (tenant_id uuid NOT NULL, id int, val int, owner uuid, PRIMARY KEY ($t->{key}))" . ($t->{parts} ? " PARTITION BY $t->{parts}" : '') . ";\n";
	if (($t->{parts} // '') =~ /HASH/)
	{
		$sql .= "CREATE TABLE $schema.${name}_$_ PARTITION OF $schema.$name FOR VALUES WITH (MODULUS 4, REMAINDER $_);\n" for 0 .. 3;
	}
	elsif ($t->{parts})
	{
		$sql .= "CREATE TABLE $schema.${name}_$_ PARTITION OF $schema.$name FOR VALUES FROM (" . ($_ ? $_ * 100 : 'MINVALUE') . ') TO (' . ($_ < 2 ? ($_ + 1) * 100 : 'MAXVALUE') . ");\n" for 0 .. 2;
	}
	return $sql . "CREATE INDEX ON $schema.$name (tenant_id, val);\nGRANT ALL ON $schema.$name TO app;\n";
}

# The same protection by hand.
sub plain_policies
{
	my ($name) = @_;
	my $t = $tables{$name};
	my $condition = sub {
		my ($all, $own) = @_;
		my $of = $t->{how} eq 'across' ? 'plain.tenants' : 'plain.here';
		my $sql = "tenant_id IN (SELECT $of('$all'))";
		$sql .= " OR tenant_id IN (SELECT $of('$own')) AND owner = plain.who()" if $own;
		return "($sql)";
	};
	my ($see, $edit) = ($condition->($t->{view}, $t->{own}), $condition->($t->{edit}, $t->{own_edit}));
	return "ALTER TABLE c.$name ENABLE ROW LEVEL SECURITY; CREATE POLICY s ON c.$name FOR SELECT USING $see; CREATE POLICY i ON c.$name FOR INSERT WITH CHECK $edit;"
		. " CREATE POLICY u ON c.$name FOR UPDATE USING $edit; CREATE POLICY d ON c.$name FOR DELETE USING $edit;\n";
}

sub protection
{
	my ($name) = @_;
	my $t = $tables{$name};
	return "SELECT teamrbac.protect_table('p.$name', '$t->{view}', '$t->{edit}'"
		. ($t->{how} eq 'across' ? ', across_tenants => true' : $t->{how} eq 'own' ? ", owner_column => 'owner', view_own_permission => '$t->{own}', edit_own_permission => '$t->{own_edit}'" : '') . ");\n";
}

my $setup = <<'SQL';
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE ROLE app;
CREATE SCHEMA p; CREATE SCHEMA c; CREATE SCHEMA plain;
GRANT USAGE ON SCHEMA p, c, plain TO app;
CREATE FUNCTION plain.u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
-- Users 101 to 106 are asked about; 100 owns all tenants, 1 to 6.
SELECT count(teamrbac.register_user('u' || n || '@example.com', 'u' || n, plain.u(n))) FROM generate_series(100, 106) AS n;
SELECT teamrbac.define_role('one', 'x', '{prompts.view,prompts.edit}'), teamrbac.define_role('two', 'x', '{endpoints.view,logs.view}');
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) SELECT plain.u(n), 't' || n FROM generate_series(1, 6) AS n;
INSERT INTO teamrbac.membership (tenant_id, user_id, role) SELECT plain.u(n), plain.u(100), 'owner' FROM generate_series(1, 6) AS n;
COMMIT;
-- Who is asking, as the harness says; the rest is looked up.
CREATE FUNCTION plain.who() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT NULLIF(current_setting('plain.who', true), '')::uuid $$;
CREATE FUNCTION plain.entered() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT NULLIF(current_setting('plain.entered', true), '')::uuid $$;
CREATE FUNCTION plain.live() RETURNS TABLE (tenant_id uuid, role text) LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT m.tenant_id, m.role FROM teamrbac.membership AS m JOIN teamrbac.tenant AS t USING (tenant_id) JOIN teamrbac.app_user AS u USING (user_id)
	WHERE m.user_id = plain.who() AND u.disabled_at IS NULL AND t.deleted_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
	  AND (plain.entered() IS NULL OR m.tenant_id = plain.entered())
	UNION ALL
	SELECT k.tenant_id, k.role FROM teamrbac.api_key AS k JOIN teamrbac.tenant AS t USING (tenant_id)
	WHERE k.key_id = NULLIF(current_setting('plain.key', true), '')::uuid AND k.revoked_at IS NULL AND t.deleted_at IS NULL $$;
CREATE FUNCTION plain.tenants(permission text) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT l.tenant_id FROM plain.live() AS l JOIN teamrbac.role_permission AS rp ON rp.role = l.role JOIN teamrbac.permission AS p ON p.permission = rp.permission
	WHERE rp.permission = $1 AND (p.grantable_to_keys OR plain.who() IS NOT NULL) $$;
CREATE FUNCTION plain.here(permission text) RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$ BEGIN
	IF plain.entered() IS NULL AND (SELECT count(*) FROM plain.live()) > 1 THEN
		RAISE EXCEPTION 'undecided' USING ERRCODE = '55000';
	END IF;
	RETURN QUERY SELECT plain.tenants(permission);
END $$;
-- Tells what it is given: an error of its own kind for a row that must not be seen.
CREATE FUNCTION plain.leak(tenant uuid, permission text, across boolean) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN
	IF tenant IS NOT NULL AND NOT EXISTS (SELECT FROM plain.tenants(permission) AS t WHERE t = tenant) THEN
		RAISE EXCEPTION 'saw a row of %', tenant USING ERRCODE = 'LEAK0';
	END IF;
	RETURN true;
END $$;
-- The answer of a query as the application: rows in no order, or the error's SQLSTATE.  Read at once or by a loop.
CREATE FUNCTION plain.answer(query text, by_loop boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	all_rows text[] := '{}';
	n bigint := 0;
BEGIN
	SET LOCAL ROLE app;
	IF query ~ '^(INSERT|UPDATE|DELETE|MERGE)' AND query !~ 'RETURNING' THEN
		EXECUTE query;
		GET DIAGNOSTICS n = ROW_COUNT;
	ELSIF by_loop OR query ~ '^EXECUTE' THEN
		FOR r IN EXECUTE query LOOP
			all_rows := all_rows || r::text;
		END LOOP;
	ELSIF query ~ '^(INSERT|UPDATE|DELETE)' THEN
		EXECUTE format('WITH q AS (%s) SELECT array_agg(q::text) FROM q', query) INTO all_rows;
	ELSE
		EXECUTE format('SELECT array_agg(q::text) FROM (%s) AS q', query) INTO all_rows;
	END IF;
	RESET ROLE;
	SELECT array_agg(t ORDER BY t COLLATE "C") INTO all_rows FROM unnest(all_rows) AS t;
	RETURN format('%s rows %s', n + COALESCE(cardinality(all_rows), 0), md5(all_rows::text));
EXCEPTION
	WHEN query_canceled THEN RETURN 'too slow';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
CREATE FUNCTION plain.sign_in(who uuid, INOUT entered uuid, key text, OUT done boolean) LANGUAGE plpgsql AS $$
BEGIN
	-- A tenant of theirs, if that one is not.
	IF entered IS NOT NULL THEN
		PERFORM set_config('plain.who', who::text, true), set_config('plain.entered', '', true), set_config('plain.key', '', true);
		SELECT l.tenant_id INTO entered FROM plain.live() AS l ORDER BY l.tenant_id <> entered, l.tenant_id LIMIT 1;
	END IF;
	PERFORM set_config('plain.who', CASE WHEN key IS NULL THEN who::text END, true), set_config('plain.entered', entered::text, true), set_config('plain.key', '', true);
	IF key IS NOT NULL THEN
		PERFORM set_config('plain.key', key_id::text, true) FROM teamrbac.sign_in_with_api_key(key);
	ELSIF entered IS NOT NULL THEN
		PERFORM teamrbac.sign_in_as_member(who, entered);
	ELSE
		PERFORM teamrbac.sign_in(who);
	END IF;
	done := true;
EXCEPTION WHEN insufficient_privilege OR invalid_authorization_specification THEN
	done := false;
END $$;
CREATE FUNCTION plain.state(schema text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := '';
	one text;
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['a', 'b', 'h', 'r', 'x', 'y', 'o'] LOOP
		EXECUTE format('SELECT md5(string_agg(t::text, '' '' ORDER BY t::text COLLATE "C")) FROM %I.%I AS t', schema, t) INTO one;
		result := result || COALESCE(one, '-');
	END LOOP;
	RETURN result;
END $$;
-- One comparison: somebody signs in, the team may change, both are asked.  What they change stays if both say so.
CREATE FUNCTION plain.compare(who uuid, entered uuid, key text, change text, query text, by_loop boolean, stays boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	p text;
	c text;
	done boolean;
BEGIN
	SELECT s.entered, s.done INTO entered, done FROM plain.sign_in(who, entered, key) AS s;
	IF NOT done THEN
		RETURN 'same: not signed in';
	END IF;
	EXECUTE change;
	BEGIN
		p := plain.answer(replace(query, '{S}', 'p'), by_loop);
		IF p = 'too slow' THEN
			RAISE EXCEPTION USING ERRCODE = 'BACK0';
		END IF;
		c := plain.answer(replace(query, '{S}', 'c'), by_loop);
		IF p = c AND query ~ '(INSERT|UPDATE|DELETE|MERGE)' AND plain.state('p') <> plain.state('c') THEN
			p := p || ', another state';
		END IF;
		IF NOT stays OR p <> c THEN
			RAISE EXCEPTION USING ERRCODE = 'BACK0';
		END IF;
	EXCEPTION WHEN SQLSTATE 'BACK0' THEN
		NULL;
	END;
	-- Where no tenant has been entered, which of the two comes to ask first is the planner's business.
	IF p = c OR 'too slow' IN (p, c) OR '55000' IN (p, c) AND entered IS NULL AND key IS NULL THEN
		RETURN 'same: ' || p;
	END IF;
	RETURN format('DIFFERENT: %s, not %s', p, c);
END $$;
-- A cursor that a change of the team meets: it goes on with the same rows, or cannot go on because of the change.
CREATE FUNCTION plain.compare_cursor(who uuid, entered uuid, key text, change text, query text, first int, withdraws boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r text[] := '{"",""}';
	begun text[] := '{"",""}';
	seen text[];
	c refcursor;
	row record;
	done boolean;
BEGIN
	SELECT s.entered, s.done INTO entered, done FROM plain.sign_in(who, entered, key) AS s;
	IF NOT done THEN
		RETURN 'same: not signed in';
	END IF;
	SET LOCAL ROLE app;
	FOR i IN 1..2 LOOP
		c := CASE i WHEN 1 THEN 'p_c' ELSE 'c_c' END;
		OPEN c FOR EXECUTE replace(query, '{S}', left(c::text, 1));
		seen := '{}';
		WHILE cardinality(seen) < first LOOP
			FETCH c INTO row;
			EXIT WHEN NOT FOUND;
			seen := seen || row::text;
		END LOOP;
		begun[i] := seen::text;
	END LOOP;
	RESET ROLE;
	EXECUTE change;
	SET LOCAL ROLE app;
	FOR i IN 1..2 LOOP
		c := CASE i WHEN 1 THEN 'p_c' ELSE 'c_c' END;
		BEGIN
			seen := begun[i]::text[];
			LOOP
				FETCH c INTO row;
				EXIT WHEN NOT FOUND;
				seen := seen || row::text;
			END LOOP;
			r[i] := (SELECT array_agg(t ORDER BY t COLLATE "C") FROM unnest(seen) AS t)::text;
		EXCEPTION WHEN OTHERS THEN
			r[i] := SQLSTATE;
		END;
	END LOOP;
	RESET ROLE;
	RAISE EXCEPTION USING ERRCODE = 'BACK0';
EXCEPTION
	WHEN SQLSTATE 'BACK0' THEN
		IF r[1] IS NOT DISTINCT FROM r[2] THEN
			RETURN 'same: cursor';
		ELSIF r[1] = '24000' AND withdraws THEN
			RETURN 'same: 24000';
		END IF;
		RETURN format('DIFFERENT: cursor gives %s, not %s', left(r[1], 200), left(r[2], 200));
	WHEN query_canceled OR OTHERS THEN
		RETURN 'same: no cursor ' || SQLSTATE;
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA plain TO app;
SQL
for my $name (@tables)
{
	$setup .= create_table($_, $name) for qw(p c);
	$setup .= "INSERT INTO p.$name SELECT plain.u(1 + (g * 7 + g / 5) % 6), g, g * 13 % 40, CASE WHEN g % 5 > 0 THEN plain.u(101 + g % 6) END FROM generate_series(1, 300) AS g;\nINSERT INTO c.$name SELECT * FROM p.$name;\n";
}
$setup .= "ANALYZE;\n" . join('', map { protection($_) . plain_policies($_) } @tables);
$node->safe_psql('postgres', $setup);
my %keys;
for my $tenant (1 .. 6)
{
	for my $role (qw(reader developer))
	{
		push @{ $keys{$tenant} }, (split /\n/, $node->safe_psql('postgres', "SELECT teamrbac.sign_in_as_member(plain.u(100), plain.u($tenant), false); SELECT secret FROM teamrbac.create_api_key(plain.u($tenant), '$role', '$role')"))[-1];
	}
}

# ---- random queries ----------------------------------------------------------------------------------------

# perl's own generator is the same everywhere.
sub pick { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }

my ($alias, @only);

# A table, or something made of one.  Returns its SQL and its alias, which has tenant_id, id, val and owner.
sub relation
{
	my ($depth) = @_;
	my $name = 't' . ++$alias;
	my $table = pick(@only);
	return ("{S}.$table AS $name", $name) if $depth <= 0 || chance(0.6);
	my ($inner, $i) = relation($depth - 1);
	return ("(SELECT * FROM $inner WHERE " . condition($depth - 1, $i) . (chance(0.3) ? ' OFFSET 0' : '') . ") AS $name", $name) if chance(0.4);
	return ("(SELECT $i.tenant_id, min($i.id) AS id, max($i.val) AS val, (array_agg($i.owner ORDER BY $i.id))[1] AS owner FROM $inner GROUP BY $i.tenant_id" . (chance(0.5) ? ", $i.val" : '') . ") AS $name", $name) if chance(0.4);
	my ($other, $o) = relation($depth - 1);
	my $set = pick('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT');
	return ("(SELECT $i.tenant_id, $i.id, $i.val, $i.owner FROM $inner $set SELECT $o.tenant_id, $o.id, $o.val, $o.owner FROM $other) AS $name", $name);
}

sub user { return 'plain.u(' . (101 + int rand 6) . ')' }
sub tenant { return 'plain.u(' . (1 + int rand 6) . ')' }

sub condition
{
	my ($depth, @aliases) = @_;
	my $a = pick(@aliases);
	my $b = pick(@aliases);
	my @simple = ("$a.id = " . int(rand 300), "$a.id < " . int(rand 300), "$a.val > " . int(rand 40), "$a.val IN (1, 5, " . int(rand 40) . ')', "$a.tenant_id = " . tenant(), "$a.tenant_id = '00000000-0000-0000-0000-00000000000" . (1 + int rand 6) . "'",
		"$a.tenant_id IN (" . tenant() . ', ' . tenant() . ')', "$a.tenant_id <> " . tenant(), "$a.owner = " . user(), "$a.owner IS NULL", "$a.id = $b.val", "$a.tenant_id = $b.tenant_id", "$a.val % 3 = 0", 'true');
	return pick(@simple) if $depth <= 0 || chance(0.5);
	return '(' . condition($depth - 1, @aliases) . pick(' AND ', ' OR ') . condition($depth - 1, @aliases) . ')' if chance(0.5);
	return 'NOT (' . condition($depth - 1, @aliases) . ')' if chance(0.2);
	my ($sub, $s) = relation($depth - 1);
	my $where = pick("$s.tenant_id = $a.tenant_id", "$s.id = $a.id", "$s.id = $a.val AND $s.tenant_id = $a.tenant_id", 'true') . ' AND ' . condition(0, $s);
	return pick('', 'NOT ') . "EXISTS (SELECT FROM $sub WHERE $where)" if chance(0.4);
	return "$a.id " . pick('', 'NOT ') . "IN (SELECT $s.id FROM $sub WHERE " . condition(0, $s) . ')' if chance(0.5);
	return "$a.val " . pick('=', '<', '>') . " (SELECT " . pick('count(*)', "min($s.val)", "max($s.id) % 40") . " FROM $sub WHERE $where)";
}

sub joined
{
	my ($depth) = @_;
	my ($from, $first) = relation($depth);
	my @aliases = ($first);
	for (1 .. int rand 3)
	{
		my ($next, $n) = relation($depth - 1);
		my $l = pick(@aliases);
		my $on = pick("$l.tenant_id = $n.tenant_id AND $l.id = $n.id", "$l.tenant_id = $n.tenant_id AND $l.val = $n.id", "$l.id = $n.id", "$l.tenant_id = $n.tenant_id AND $l.val = $n.val");
		my $kind = pick('JOIN', 'JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'LATERAL');
		if ($kind eq 'LATERAL')
		{
			my ($lateral, $ll) = relation(0);
			$from .= pick(' CROSS JOIN', '') ? " CROSS JOIN LATERAL (SELECT * FROM $lateral WHERE $ll.id = $l.id ORDER BY $ll.tenant_id, $ll.id LIMIT 3) AS $n" : " LEFT JOIN LATERAL (SELECT * FROM $lateral WHERE $ll.tenant_id = $l.tenant_id ORDER BY $ll.id, $ll.tenant_id LIMIT 1) AS $n ON true";
		}
		else { $from .= " $kind $next ON $on" }
		push @aliases, $n;
	}
	return ($from, @aliases);
}

# A table by itself with the function in WHERE that tells.
sub leaky
{
	my $table = pick(grep { $tables{$_}{how} ne 'own' } @only);
	return "SELECT id, val FROM {S}.a AS t1" unless $table;
	my $across = $tables{$table}{how} eq 'across' ? 'true' : 'false';
	my $leak = "plain.leak(t1.tenant_id, '$tables{$table}{view}', $across)";
	return "SELECT t1.id, t1.val FROM {S}.$table AS t1 WHERE $leak AND " . condition(1, 't1') if chance(0.5);
	my ($other, $o) = relation(0);
	return "SELECT t1.id, $o.id FROM {S}.$table AS t1 JOIN $other ON t1.id = $o.id AND $leak WHERE " . condition(0, 't1', $o);
}

sub select_query
{
	$alias = 1;
	return leaky() if chance(0.15);
	my ($from, @aliases) = joined(2);
	my $where = condition(2, @aliases);
	my $a = pick(@aliases);
	my $b = pick(@aliases);
	return "SELECT $a.tenant_id, count(*), sum($b.val), count(DISTINCT $b.id) FROM $from WHERE $where GROUP BY $a.tenant_id" if chance(0.2);
	return "SELECT count(*), min($a.id), max($b.val) FROM $from WHERE $where" if chance(0.2);
	return "SELECT DISTINCT $a.tenant_id, $b.val FROM $from WHERE $where" if chance(0.15);
	return "SELECT $a.id, sum($a.val) OVER (PARTITION BY $a.tenant_id ORDER BY $a.id, $a.val RANGE UNBOUNDED PRECEDING) FROM $from WHERE $where" if chance(0.1);
	if (chance(0.15))
	{
		my ($sub, $s) = relation(1);
		return "SELECT $a.id, (SELECT count(*) FROM $sub WHERE $s.tenant_id = $a.tenant_id AND $s.val = $a.val) AS n FROM $from WHERE $where";
	}
	return "WITH w AS MATERIALIZED (SELECT $a.tenant_id, $a.id, $b.val FROM $from WHERE $where) SELECT w.*, (SELECT count(*) FROM w) AS n FROM w WHERE val < 30" if chance(0.1);
	# A page needs an order that leaves nothing open.
	my $order = join ', ', map { ("$_.tenant_id", "$_.id", "$_.val") } @aliases;
	return "SELECT $a.tenant_id, $a.id, $b.val FROM $from WHERE $where ORDER BY " . pick('', "$b.val, ", "$a.id DESC, ") . $order . ' LIMIT ' . (1 + int rand 30) if chance(0.3) && $from !~ /GROUP BY/;
	return "SELECT $a.tenant_id, $a.id, $b.tenant_id, $b.val FROM $from WHERE $where";
}

sub change_query
{
	$alias = 1;
	my $table = pick(@only);
	my $where = condition(1, 't1');
	my $returning = pick('', " RETURNING t1.tenant_id, t1.id, t1.val");
	my $set = pick('val = t1.val + 1', 'val = (t1.id * 7) % 40', "owner = " . user(), "tenant_id = " . tenant() . ', id = t1.id + 1000', "tenant_id = t1.tenant_id, val = 3");
	my ($other, $o) = relation(1);
	my $kind = int rand 8;
	return "UPDATE {S}.$table AS t1 SET $set WHERE $where$returning" if $kind == 0;
	return "UPDATE {S}.$table AS t1 SET val = 5 FROM $other WHERE $o.id = t1.id AND $o.tenant_id = t1.tenant_id AND $where" if $kind == 1;
	return "DELETE FROM {S}.$table AS t1 WHERE $where$returning" if $kind == 2;
	return "DELETE FROM {S}.$table AS t1 USING $other WHERE $o.id = t1.val AND $where" if $kind == 3;
	return "INSERT INTO {S}.$table AS t1 SELECT $o.tenant_id, $o.id + 2000, $o.val, $o.owner FROM $other ORDER BY $o.tenant_id, $o.id LIMIT 1" . $returning if $kind == 4;
	return "INSERT INTO {S}.$table AS t1 VALUES (" . tenant() . ', ' . (1 + int rand 600) . ', 1, ' . pick('NULL', user()) . ')' . pick('', ' ON CONFLICT DO NOTHING', " ON CONFLICT ($tables{$table}{key}) DO UPDATE SET val = 7") . $returning if $kind == 5;
	return "MERGE INTO {S}.$table AS t1 USING (SELECT DISTINCT $o.id FROM $other) AS v ON v.id = t1.id AND $where WHEN MATCHED AND t1.val < 10 THEN DELETE WHEN MATCHED THEN UPDATE SET val = 9" if $kind == 6;
	return "WITH w AS (UPDATE {S}.$table AS t1 SET val = 11 WHERE $where" . pick('', ' RETURNING *') . ") SELECT count(*) FROM $other" . ($other =~ /FROM|AS/ ? '' : '');
}

# ---- random changes of the team ----------------------------------------------------------------------------

# Returns SQL, and whether it takes something away.
sub team_change
{
	my ($user, $tenant) = @_;
	$user //= user();
	$tenant = tenant() if ($tenant // 'NULL') eq 'NULL';
	my $role = pick(qw(reader developer admin one two));
	my $of = "user_id = $user AND tenant_id = $tenant";
	my $kind = int rand 10;
	return ("INSERT INTO teamrbac.membership (tenant_id, user_id, role) VALUES ($tenant, $user, '$role') ON CONFLICT DO NOTHING", 0) if $kind < 4;
	return ("DELETE FROM teamrbac.membership WHERE $of", 1) if $kind == 4;
	return ("UPDATE teamrbac.membership SET role = '$role' WHERE $of", 1) if $kind == 5;
	return ("UPDATE teamrbac.membership SET expires_at = " . pick('clock_timestamp()', "'2999-01-01'", 'NULL') . " WHERE $of", 1) if $kind == 6;
	return ("UPDATE teamrbac.tenant SET deleted_at = " . pick('now()', 'NULL', 'NULL') . " WHERE tenant_id = $tenant", 1) if $kind == 7;
	return ("UPDATE teamrbac.app_user SET disabled_at = " . pick('now()', 'NULL', 'NULL', 'NULL') . " WHERE user_id = $user", 1) if $kind == 8;
	return ("SELECT teamrbac.define_role('" . pick('one', 'two') . "', 'x', '{" . pick('prompts.view,prompts.edit', 'endpoints.view,logs.view', 'prompts.view,endpoints.view,endpoints.edit', 'snippets.view,prompts.edit,team.manage', 'logs.view') . "}')", 1);
}

sub identity
{
	my ($user, $tenant) = (user(), tenant());
	return ($user, 'NULL', "'" . pick(@{ $keys{ 1 + int rand 6 } }) . "'") if chance(0.1);
	# The key's tenant is in the key; somebody who has not entered any may still be in one only.
	return ($user, 'NULL', 'NULL') if chance(0.3);
	return ($user, $tenant, 'NULL');
}

sub settings
{
	my $sql = '';
	for my $name (qw(seqscan indexscan bitmapscan indexonlyscan hashjoin mergejoin nestloop material memoize hashagg sort partitionwise_join partitionwise_aggregate))
	{
		my $on = $name =~ /^partitionwise/ ? chance(0.3) : chance(0.8);
		$sql .= "SET enable_$name = " . ($on ? 'on' : 'off') . '; ';
	}
	$sql .= 'SET parallel_setup_cost = ' . pick(0, 1000, 1000) . '; SET parallel_tuple_cost = ' . pick(0, 0.1) . '; ';
	$sql .= 'SET plan_cache_mode = ' . pick(qw(auto force_generic_plan force_custom_plan)) . ';';
	return "$sql\n";
}

sub batch
{
	my $sql = "SET client_min_messages = error;\nSET statement_timeout = '5s';\n" . settings();
	$sql .= "UPDATE teamrbac.tenant SET deleted_at = NULL WHERE deleted_at IS NOT NULL; UPDATE teamrbac.app_user SET disabled_at = NULL WHERE disabled_at IS NOT NULL;\n";
	my @prepared;
	for my $n (1 .. 5)
	{
		@only = @tables;
		my $query = select_query();
		$query =~ s/\.id < \d+/.id < \$1/;
		$sql .= join '', map { (my $q = "PREPARE {S}_q$n(int) AS $query;\n") =~ s/\{S\}/$_/gr } qw(p c);
		push @prepared, "EXECUTE {S}_q$n(" . int(rand 300) . ')';
	}
	for (1 .. $statements)
	{
		my ($user, $entered, $key) = identity();
		# Whoever has entered none asks of tables across tenants most of the time.
		@only = $entered eq 'NULL' && $key eq 'NULL' && chance(0.7) ? qw(x y) : @tables;
		$sql .= (team_change())[0] . ";\n" if chance(0.6);
		$sql .= settings() if chance(0.1);
		my ($change, $withdraws) = chance(0.3) ? team_change() : ('SELECT', 0);
		if (chance(0.15))
		{
			($change, $withdraws) = team_change($user, $entered) if chance(0.7);
			my $query = select_query();
			$sql .= "SELECT plain.compare_cursor($user, $entered, $key, \$change\$$change\$change\$, \$query\$$query\$query\$, " . (1 + int rand 5) . ', ' . ($withdraws ? 'true' : 'false') . ");\n";
			next;
		}
		my $query = chance(0.15) ? pick(@prepared) : chance(0.3) ? change_query() : select_query();
		$sql .= "SELECT plain.compare($user, $entered, $key, \$change\$$change\$change\$, \$query\$$query\$query\$, " . pick('true', 'false') . ', ' . (chance(0.2) ? 'true' : 'false') . ");\n";
	}
	return $sql;
}

# ---- the run -----------------------------------------------------------------------------------------------

my %count;
my @different;
my $end = time + ($seconds // 0);
my $n = 0;
while (!@different && ($seconds ? time < $end : $n < $batches))
{
	srand($seed * 10007 + $n++);
	my $sql = batch();
	my ($rc, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0);
	my @answers = grep { /^(same|DIFFERENT): / } split /\n/, $out;
	my @asked = grep { /^SELECT plain\.compare/ } split /\n/, $sql;
	if (@answers != @asked)
	{
		push @different, "batch $n: @{[scalar @answers]} answers to @{[scalar @asked]} questions: $err";
	}
	for my $i (0 .. $#answers)
	{
		$count{ $answers[$i] =~ /^same: (0 rows|\d+ rows|cursor|no cursor|not signed in|too slow|\w{5})/ ? $1 =~ s/^[1-9]\d* rows/rows/r : 'different' }++;
		push @different, "batch $n, $answers[$i]\n$asked[$i]" if $answers[$i] =~ /^DIFFERENT/;
	}
	# A data type or a syntax that the generator gets wrong would hide what it is for.
	push @different, "batch $n: $err" if $err =~ /ERROR:/ && $err !~ /exactly one owner/;
}
note("$n batches: " . join(', ', map { "$count{$_} $_" } sort keys %count));
is(scalar @different, 0, 'the same rows by both') or diag(join "\n", @different[ 0 .. ($#different < 4 ? $#different : 4) ]);
cmp_ok($count{rows} // 0, '>', 3 * $n, 'and there were rows enough');
cmp_ok($count{42501} // 0, '>', 0, 'and refusals');
cmp_ok($count{24000} // 0, '>', 0, 'and cursors that could not go on');
ok(!exists $count{LEAK0}, 'nothing was shown to a function that must not be');
ok(!grep({ /^(42601|42703|42P01|42804|42883|XX)/ } keys %count), 'each query was one') or diag(join ' ', sort keys %count);
is($node->safe_psql('postgres', "SELECT plain.state('p') = plain.state('c')"), 't', 'both are the same at the end');
$node->stop;
done_testing();
