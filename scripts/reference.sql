-- Prints docs/reference.md: what the COMMENTs say of each function and view, and who may use it.
-- Run by `make docs` in a database with the extension; test/t/007_docs.pl sees to it that the file is up to date.
\set QUIET on
\pset format unaligned
\pset tuples_only on
SET search_path = pg_catalog;
LOAD 'teamrbac'; -- for its settings

CREATE TEMP TABLE section (n int, title text, names text[]);
INSERT INTO section VALUES
	(1, 'Who is asking', '{sign_in,sign_in_as_member,sign_in_with_api_key,sign_in_with_token,sign_in_from_request,sign_in_from_jwt_claims,act_in_tenant,sign_out,current_identity,current_user_id,current_tenant_id,map_database_role}'),
	(2, 'May they', '{has_permission,require_permission,permitted_tenant,permitted_tenants,is_acting_tenant,visible_tenants,my_permissions,my_tenants,explain_permission}'),
	(3, 'Tables of the application', '{protect_table,unprotect_table,restore_protection,guard_protection,unguard_protection,require_permission_on_change}'),
	(4, 'Roles and permissions', '{permission_matrix,list_roles,assignable_roles,define_permission,drop_permission,define_role,drop_role,define_tenant_role,drop_tenant_role}'),
	(5, 'Users', '{register_user,update_user,set_user_locale,disable_user,enable_user,revoke_user_keys,delete_user}'),
	(6, 'Tenants and members', '{create_tenant,update_tenant,is_slug_free,team,team_list,members_page,member_actions,team_counts,add_member,change_role,remove_member,removal_impact,leave_tenant,set_membership_expiry,expire_memberships,set_tenant_limit,tenant_limits,set_tenant_metadata,tenant_metadata,set_member_metadata}'),
	(7, 'Invitations', '{invite_member,invite_members,resend_invitation,cancel_invitation,set_invitation_metadata,pending_invitation,pending_invitation_list,invitations_page,peek_invitation,accept_invitation,decline_invitation,my_invitations,accept_my_invitation,decline_my_invitation,expire_invitations}'),
	(8, 'API keys', '{create_api_key,rotate_api_key,rename_api_key,set_api_key_expiry,revoke_api_key,revoke_member_keys,revoke_api_keys,set_api_key_metadata,api_key_overview,api_key_list}'),
	(9, 'Ownership and the end of a tenant', '{transfer_ownership,assign_owner,delete_tenant,restore_tenant,purge}'),
	(10, 'Mail', '{claim_mail,mail_sent,mail_failed,mail_blocked,mail_refused,mail_withdrawn,undelivered_mail,undelivered_mail_list}'),
	(11, 'Audit and review', '{audit_page,audit_trail,audit_list,audit_list_narrow,verify_audit,audit_hash,audit_sealed,audit_export,audit_lines,audit_heads,audit_statement,audit_public_keys,broken_chains,confirm_loads,team_at,roles_at,explain_permission_at,access_used,access_review,start_review,review_items,decide,finish_review,schedule_reviews,hold_reviews,check_setup,statistics,backend_statistics}'),
	(12, 'Maintenance', '{schedule_maintenance,unschedule_maintenance,maintenance_jobs}'),
	(13, 'Links, domains and requests', '{invite_by_link,revoke_invitation_link,invitation_link_overview,invitation_link_list,allow_domain,disallow_domain,tenant_domain_overview,tenant_domain_list,set_public_mail_domain,joinable_tenants,join_tenant,request_to_join,withdraw_join_request,approve_join_request,refuse_join_request,join_request_overview,join_request_list}'),
	(14, 'Issuers of tokens', '{trust_issuer,set_issuer_keys,distrust_issuer,link_identity,unlink_identity,revoke_tokens}'),
	(15, 'The platform''s staff', '{sign_in_as_staff,staff_visits}'),
	(16, 'Several servers', '{set_cluster_secret,make_ticket}');

-- Whatever is not internal has its place above: a new function is found missing here.
DO $$
DECLARE
	homeless text;
BEGIN
	SELECT string_agg(p.proname, ', ' ORDER BY p.proname) INTO homeless FROM pg_proc AS p
		WHERE p.pronamespace = 'teamrbac'::regnamespace
		  AND NOT EXISTS (SELECT FROM section AS s WHERE p.proname = ANY (s.names))
		  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND NOT 'internal'::regtype = ANY (p.proargtypes)
		  AND obj_description(p.oid, 'pg_proc') !~ '^(Internal|For teamrbac_api)\M';
	IF homeless IS NOT NULL THEN
		RAISE EXCEPTION 'scripts/reference.sql has no section for %', homeless;
	END IF;
END $$;

CREATE TEMP VIEW grantee AS
	SELECT p.oid, CASE WHEN bool_or(a.grantee = 0) THEN 'PUBLIC' ELSE COALESCE(string_agg(a.grantee::regrole::text, ', ') FILTER (WHERE a.grantee <> p.proowner), 'nobody but superusers, unless granted') END AS may
	FROM pg_proc AS p, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a GROUP BY p.oid
	UNION ALL
	SELECT c.oid, CASE WHEN bool_or(a.grantee = 0) THEN 'PUBLIC' ELSE COALESCE(string_agg(a.grantee::regrole::text, ', ') FILTER (WHERE a.grantee <> c.relowner), 'nobody but superusers, unless granted') END
	FROM pg_class AS c, aclexplode(COALESCE(c.relacl, acldefault('r', c.relowner))) AS a GROUP BY c.oid;

-- A COMMENT's sentences on errors and locks, apart from the rest.
CREATE TEMP TABLE described AS
	SELECT o.*, substring(o.comment FROM 'Errors: (.*?)\.(?: [A-Z]|$)') AS errors,
		   (SELECT string_agg(s, ' ' ORDER BY n) FROM regexp_split_to_table(o.comment, '(?<=\.) (?=[A-Z])') WITH ORDINALITY AS t(s, n) WHERE s ~ '^(Locks|Takes|Skips)\M') AS locks,
		   (SELECT string_agg(s, ' ' ORDER BY n) FROM regexp_split_to_table(o.comment, '(?<=\.) (?=[A-Z])') WITH ORDINALITY AS t(s, n) WHERE s !~ '^(Errors:|Locks\M|Takes\M|Skips\M)') AS text
	FROM (SELECT p.oid, p.proname::text AS name,
				 CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE '' END || format('%s(%s)', p.proname, pg_get_function_arguments(p.oid))
					|| CASE WHEN p.prokind = 'p' OR p.proargmodes IS NOT NULL THEN '' ELSE ' → ' || pg_get_function_result(p.oid) END AS signature,
				 obj_description(p.oid, 'pg_proc') AS comment, 'Execute' AS verb
		  FROM pg_proc AS p WHERE p.pronamespace = 'teamrbac'::regnamespace
		  UNION ALL
		  SELECT c.oid, c.relname, 'view ' || c.relname, obj_description(c.oid, 'pg_class'), 'Select'
		  FROM pg_class AS c WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'v') AS o;

\qecho '# Reference'
\qecho
\qecho 'Made by `make docs` from the objects'' COMMENTs; `\\df+ teamrbac.*` in psql shows the same. Everything is in schema'
\qecho '`teamrbac`. A function''s errors are given by SQLSTATE; those of its arguments'' types come on top. Where a function'
\qecho 'needs a permission, that is one of whoever is signed in, in the tenant concerned.'
\qecho
WITH entry AS (
	SELECT s.n, s.title, array_position(s.names, d.name) AS place, d.*, g.may
	FROM section AS s JOIN described AS d ON d.name = ANY (s.names) JOIN grantee AS g ON g.oid = d.oid
), printed AS (
	SELECT e.n, e.title, e.place, e.signature,
		   format(E'### `%s`\n\n%s\n%s\n- %s: %s%s%s\n', e.signature, e.text,
				  COALESCE((SELECT E'\n| column | |\n|---|---|\n' || string_agg(format('| `%s` | %s |', a.attname, col_description(e.oid, a.attnum)), E'\n' ORDER BY a.attnum) || E'\n'
							FROM pg_attribute AS a WHERE a.attrelid = e.oid AND a.attnum > 0 AND e.verb = 'Select'), ''),
				  e.verb, e.may, COALESCE(E'\n- Errors: ' || e.errors, ''), COALESCE(E'\n- Locks: ' || e.locks, '')) AS text
	FROM entry AS e
)
SELECT format(E'## %s\n\n%s', p.title, string_agg(p.text, E'\n' ORDER BY p.place, p.signature COLLATE "C"))
FROM printed AS p GROUP BY p.n, p.title ORDER BY p.n;

\qecho '## Internal functions'
\qecho
\qecho 'For triggers, the planner and the functions above; nobody needs to call them.'
\qecho
SELECT format('- `%s`: %s', d.signature, d.comment)
FROM described AS d WHERE d.verb = 'Execute' AND NOT EXISTS (SELECT FROM section AS s WHERE d.name = ANY (s.names))
ORDER BY d.signature COLLATE "C";

\qecho
\qecho '## Tables'
\qecho
\qecho 'Nobody has been granted these; a superuser may read and change them.'
SELECT format(E'\n### `%s`\n\n%s\n\n| column | type | |\n|---|---|---|\n%s', c.relname, obj_description(c.oid, 'pg_class'),
	(SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)), E'\n' ORDER BY a.attnum)
	 FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
FROM pg_class AS c WHERE c.relnamespace = 'teamrbac'::regnamespace AND c.relkind = 'r' ORDER BY c.relname COLLATE "C";

\qecho
\qecho '## Settings'
\qecho
\qecho 'For superusers, except that nobody sets `teamrbac.identity`. They are known once the library is loaded in a session, or by `shared_preload_libraries`.'
\qecho
\qecho '| setting | default | |'
\qecho '|---|---|---|'
SELECT format('| `%s` | %s | %s |', s.name, CASE WHEN s.boot_val = '' THEN 'empty' ELSE '`' || s.boot_val || '`' END, concat_ws(' ', s.short_desc, s.extra_desc))
FROM pg_settings AS s WHERE s.name LIKE 'teamrbac.%' ORDER BY s.name;
