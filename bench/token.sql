-- What bench/token.sh measures with. Each function returns microseconds for one token.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
SELECT teamrbac.register_user('ann@example.com', 'Ann', '00000000-0000-0000-0000-0000000000a1');
BEGIN;
SELECT teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1');
SELECT teamrbac.create_tenant('Acme', 'acme');
COMMIT;
CREATE ROLE bench_app LOGIN;
CREATE SCHEMA bench;
CREATE TABLE bench.token (algorithm text, n int, token text, PRIMARY KEY (algorithm, n));
CREATE TABLE bench.keys (keys jsonb);
CREATE FUNCTION bench.bare_cost(text[], jsonb) RETURNS float8 LANGUAGE c STRICT AS :'module', 'test_bare_cost';

CREATE FUNCTION bench.tokens(which text) RETURNS text[] LANGUAGE sql
	AS $$ SELECT array_agg(token ORDER BY n) FROM bench.token WHERE algorithm = which $$;
CREATE FUNCTION bench.new_tokens(which text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	tokens text[] := bench.tokens(which);
	one text;
	start timestamptz;
	empty interval;
BEGIN
	PERFORM teamrbac.sign_in_with_token(tokens[1]);
	start := clock_timestamp();
	FOREACH one IN ARRAY tokens LOOP PERFORM length(one); END LOOP;
	empty := clock_timestamp() - start;
	start := clock_timestamp();
	FOREACH one IN ARRAY tokens LOOP PERFORM teamrbac.sign_in_with_token(one); END LOOP;
	RETURN EXTRACT(epoch FROM clock_timestamp() - start - empty) * 1000000 / cardinality(tokens);
END $$;
CREATE FUNCTION bench.seen_token(which text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	one text := (bench.tokens(which))[1];
	start timestamptz;
	empty interval;
BEGIN
	PERFORM teamrbac.sign_in_with_token(one);
	start := clock_timestamp();
	FOR i IN 1 .. 10000 LOOP PERFORM length(one); END LOOP;
	empty := clock_timestamp() - start;
	start := clock_timestamp();
	FOR i IN 1 .. 10000 LOOP PERFORM teamrbac.sign_in_with_token(one); END LOOP;
	RETURN EXTRACT(epoch FROM clock_timestamp() - start - empty) * 100;
END $$;
CREATE FUNCTION bench.bare(which text) RETURNS float8 LANGUAGE sql
	AS $$ SELECT bench.bare_cost(bench.tokens(which), jsonb_build_object('keys', jsonb_build_array(jsonb_path_query_first(keys, '$.keys[*] ? (@.kid == $k)', jsonb_build_object('k', which))))) FROM bench.keys $$;
