-- Teams for the team page: Acme with everybody of the reference page and a few dozen more, Borealis and Cirrus.
SELECT teamrbac.register_user(lower(name) || '@example.com', name)
	FROM unnest('{Olivia,Adam,Dana,Rita,Sam}'::text[]) AS u(name) \g /dev/null
SELECT teamrbac.register_user(lower(first || '.' || last) || '@example.com', first || ' ' || last)
	FROM unnest('{Aiko,Bilal,Chiara,Diego,Elif,Farid,Greta}'::text[]) AS f(first),
		 unnest('{Almeida,Berg,Costa,Dvorak,Ekström,Fontaine}'::text[]) AS l(last) \g /dev/null
CREATE FUNCTION pg_temp.person(who text) RETURNS uuid LANGUAGE sql AS
	$$ SELECT user_id FROM teamrbac.app_user WHERE display_name = who $$;

BEGIN;
SELECT teamrbac.sign_in(pg_temp.person('Sam')) \g /dev/null
SELECT teamrbac.create_tenant('Borealis', 'borealis') AS borealis,
	teamrbac.create_tenant('Cirrus', 'cirrus') AS cirrus \gset
SELECT teamrbac.sign_in(pg_temp.person('Olivia')) \g /dev/null
SELECT teamrbac.create_tenant('Acme', 'acme') AS acme \gset
SELECT teamrbac.add_member(:'acme', user_id, CASE display_name WHEN 'Adam' THEN 'admin' WHEN 'Dana' THEN 'developer'
	WHEN 'Rita' THEN 'reader' ELSE (ARRAY['reader', 'developer'])[1 + length(display_name) % 2] END)
	FROM teamrbac.app_user WHERE display_name NOT IN ('Olivia', 'Sam') \g /dev/null
CALL teamrbac.set_membership_expiry(:'acme', pg_temp.person('Aiko Costa'),
	date_trunc('day', now(), 'UTC') + interval '31 days');
SELECT teamrbac.invite_member(:'acme', 'peter@newcorp.example', 'reader') \g /dev/null
INSERT INTO prompt (title, body) VALUES
	('Greeting', 'Greet the customer by name, in one sentence.'),
	('Summary', 'Summarise the ticket in three bullet points.'),
	('Refund', 'Explain the refund rules that apply, and link to them.');
UPDATE prompt SET state = 'live' WHERE title = 'Greeting';
SELECT teamrbac.sign_in(pg_temp.person('Dana')) \g /dev/null
SELECT teamrbac.create_api_key(:'acme', 'Dana: laptop', 'developer', now() + interval '90 days') \g /dev/null
SELECT teamrbac.sign_in(pg_temp.person('Sam')) \g /dev/null
SELECT teamrbac.add_member(:'borealis', pg_temp.person('Olivia'), 'reader'),
	   teamrbac.add_member(:'borealis', pg_temp.person('Dana'), 'admin') \g /dev/null
SELECT teamrbac.act_in_tenant(:'borealis') \g /dev/null
INSERT INTO prompt (title, body) VALUES ('Forecast', 'Tell the weather of the coast for three days.');
COMMIT;

CREATE ROLE team_page_mailer LOGIN;
GRANT EXECUTE ON FUNCTION teamrbac.claim_mail(integer, interval), teamrbac.mail_sent(uuid),
	teamrbac.mail_failed(uuid, text), teamrbac.mail_blocked(uuid, text), teamrbac.mail_refused(uuid, text)
	TO team_page_mailer;
