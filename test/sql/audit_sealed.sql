-- What an event's hash is of, computed as an auditor does who has nothing of ours but the comments on audit_hash and
-- audit_sealed: values of a person as salted digests, erased or not.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE FUNCTION sealed(fields jsonb, salt bytea) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(key, CASE
		WHEN key NOT IN ('email', 'display_name', 'metadata') OR value = 'null'
			OR salt IS NULL AND value::text ~ '^{"erased": "[0-9a-f]{64}"}$' THEN value
		ELSE jsonb_build_object('erased', encode(sha256(salt || convert_to(value::text, 'UTF8')), 'hex')) END)
	FROM jsonb_each(fields) $$;
CREATE FUNCTION hash(e teamrbac.audit_event) RETURNS bytea LANGUAGE sql AS $$
	SELECT sha256(e.previous_hash || convert_to(jsonb_build_array(e.tenant_id, e.scope, e.sequence,
		(EXTRACT(epoch FROM e.occurred_at) * 1000000)::bigint, e.actor_kind, e.actor_id, e.session_role, e.application_name,
		e.action, e.subject, sealed(e.before, e.salt), sealed(e.after, e.salt))::text, 'UTF8')) $$;
-- Values of all kinds, in and beside what is a person's; what is only nearly a digest is none.
SELECT n, s.salt, teamrbac.audit_is_personal(f.fields) AS personal,
	teamrbac.audit_sealed(f.fields, s.salt) = sealed(f.fields, s.salt) AS same,
	teamrbac.audit_sealed(f.fields, s.salt) = f.fields AS as_it_was
FROM (VALUES
	(1, '{"role": "reader", "name": "email"}'::jsonb),
	(2, '{"email": "ann@example.com", "display_name": "Änn \"A\" \\\n", "role": null}'),
	(3, '{"email": null, "display_name": "", "metadata": {}}'),
	(4, '{"metadata": {"email": "x", "list": [1, 2.50, true, null, {"a": "ü"}]}}'),
	(5, '{"metadata": [], "kept": {"email": "not a field of the event"}}'),
	(6, '{"metadata": 1.50}'),
	(7, '{"metadata": false}'),
	(8, jsonb_build_object('email', jsonb_build_object('erased', repeat('0123456789abcdef', 4)))),
	(9, jsonb_build_object('email', jsonb_build_object('erased', repeat('0123456789abcdeF', 4)))),
	(10, jsonb_build_object('email', jsonb_build_object('erased', repeat('0123456789abcdef', 4) || '0'))),
	(11, jsonb_build_object('email', jsonb_build_object('erased', repeat('0123456789abcdef', 4), 'more', 1))),
	(12, '{"email": {"erased": 1}}'),
	(13, jsonb_build_object('email', repeat('0123456789abcdef', 4))),
	(14, jsonb_build_object('email', jsonb_build_array(repeat('0123456789abcdef', 4))))) AS f(n, fields),
	(VALUES ('\x00ff'::bytea), ('\x')) AS s(salt)
ORDER BY n, s.salt;
-- Without a salt, what is a digest stays one.
SELECT n, teamrbac.audit_sealed(fields, NULL) = fields AS as_it_was
FROM (VALUES (1, jsonb_build_object('email', jsonb_build_object('erased', repeat('0123456789abcdef', 4)))),
	(2, jsonb_build_object('email', jsonb_build_object('erased', repeat('0123456789abcdeF', 4))))) AS f(n, fields);
-- What never is in an event.
SELECT teamrbac.audit_sealed('{"email": "a", "role": "b"}', NULL) AS without_salt,
	teamrbac.audit_sealed(NULL, '') IS NULL AS nothing, teamrbac.audit_sealed('{}', '') AS no_field,
	teamrbac.audit_sealed('["email"]', '') AS no_object, teamrbac.audit_sealed('"email"', '') AS no_list,
	teamrbac.audit_is_personal('["email"]') AS personal;
-- Every event of a team, with people's values and without, before one of them is erased and after.
\set acme '''00000000-0000-0000-0000-000000000001'''
\set ann '''00000000-0000-0000-0000-0000000000a1'''
\set bob '''00000000-0000-0000-0000-0000000000b1'''
SELECT count(teamrbac.register_user(name || '@example.com', name, id::uuid))
	FROM (VALUES ('Ann', :ann), ('Bob', :bob)) AS u(name, id);
BEGIN;
INSERT INTO teamrbac.tenant (tenant_id, name) VALUES (:acme, 'Acme');
INSERT INTO teamrbac.membership (tenant_id, user_id, role, metadata)
	VALUES (:acme, :ann, 'owner', '{}'), (:acme, :bob, 'reader', '{"nickname": "Bobby"}');
COMMIT;
SELECT teamrbac.sign_in(:ann, false);
CALL teamrbac.change_role(:acme, :bob, 'developer');
SELECT count(teamrbac.invite_member(:acme, 'carl@example.com', 'reader'));
-- A manager's word that looks like a digest is no digest, neither in what is shipped nor in what is left of it.
CALL teamrbac.set_member_metadata(:acme, :bob, jsonb_build_object('erased', encode('bob lives in Bath, at number two', 'hex')));
SELECT l #>> '{teamrbac,after}' LIKE '%' || encode('bob lives in Bath, at number two', 'hex') || '%' AS shipped
	FROM teamrbac.audit_lines(:acme) AS l WHERE l #>> '{event,action}' = 'member.metadata_set';
CALL teamrbac.remove_member(:acme, :bob);
CREATE VIEW compared AS
	SELECT e.scope, e.action, e.salt IS NOT NULL AS salted, e.hash = hash(e) AS hash,
		e.hash = teamrbac.audit_hash(e) AS same,
		COALESCE((l #> '{teamrbac,before}')::jsonb, 'null') = COALESCE(sealed(e.before, e.salt), 'null')
		AND COALESCE((l #> '{teamrbac,after}')::jsonb, 'null') = COALESCE(sealed(e.after, e.salt), 'null') AS exported
	FROM teamrbac.audit_event AS e, teamrbac.audit_lines(e.tenant_id, e.sequence - 1, 1, e.scope) AS l
	ORDER BY e.scope, e.tenant_id, e.sequence;
SELECT * FROM compared;
CALL teamrbac.delete_user(:bob);
SELECT * FROM compared WHERE NOT salted AND scope = 'user' OR action ~ 'invit|direct';
SELECT count(*) AS left_of_it FROM teamrbac.audit_event AS e
	WHERE e.after::text LIKE '%' || encode('bob lives in Bath, at number two', 'hex') || '%';
DROP VIEW compared;
DROP FUNCTION hash(teamrbac.audit_event);
DROP EXTENSION teamrbac CASCADE;
DROP FUNCTION sealed(jsonb, bytea);
