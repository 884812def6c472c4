-- The rules for names and addresses in databases of other encodings: the same where a character is the same, and never
-- an error about the encoding.
SET client_min_messages = warning;
\set home :DBNAME
CREATE DATABASE regress_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
CREATE DATABASE regress_ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0;
CREATE DATABASE regress_win ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0;
CREATE DATABASE regress_euc ENCODING 'EUC_JP' LOCALE 'C' TEMPLATE template0;

-- Latin 1: a soft hyphen hides, a no-break space is a space, 0x85 is a control character.
\c regress_latin1
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
SET client_encoding = UTF8;
SELECT n, teamrbac.is_printable_name(convert_from(name, 'LATIN1')) FROM (VALUES (1, 'Zo\353'::bytea), (2, 'Zo\255'), (3, '\240Zo'), (4, 'Z\240o'), (5, 'Z\205o'), (6, '\240'), (7, '')) AS v(n, name) ORDER BY n;
SELECT teamrbac.is_email_address(convert_from('zo\353@b\374cher.example', 'LATIN1')) AS fine, teamrbac.is_email_address(convert_from('zo\240@b', 'LATIN1')) AS space;
SELECT teamrbac.register_user('zoë@example.com', ' Zoë ', '00000000-0000-0000-0000-0000000000a1');
SELECT display_name, octet_length(display_name) FROM teamrbac.app_user;
SELECT teamrbac.register_user('ZOë@example.com', 'Zoë');

-- No encoding: taken for UTF-8; other bytes are no name.
\c regress_ascii
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
SELECT n, teamrbac.is_printable_name(convert_from(name, 'SQL_ASCII')) FROM (VALUES
	(1, 'Zo\353'::bytea), (2, 'Zo\303\253'), (3, 'gro\342\200\256'), (4, 'a\342\200'), (5, '\342\200\203a'), (6, 'a\012'), (7, '\377\376'), (8, 'Ad\302\255am'), (9, '\302\240')) AS v(n, name) ORDER BY n;
SELECT teamrbac.register_user(convert_from('zo\303\253@example.com', 'SQL_ASCII'), convert_from('\342\200\203Zo\303\253 ', 'SQL_ASCII'), '00000000-0000-0000-0000-0000000000a1');
SELECT display_name::bytea, teamrbac.address_key(convert_from('ZO\313@Example.com', 'SQL_ASCII'))::bytea FROM teamrbac.app_user;
SELECT teamrbac.register_user(convert_from('zo\342\200\213@example.com', 'SQL_ASCII'), 'Zoe');

SELECT teamrbac.register_user(convert_from('zo\353@example.com', 'SQL_ASCII'), 'Zoe');
SELECT teamrbac.create_tenant(convert_from('zo\353', 'SQL_ASCII')) FROM teamrbac.sign_in('00000000-0000-0000-0000-0000000000a1', false);

-- Windows: 0x81 is no character of Unicode's, and no reason for another error; 0x85 is an ellipsis there.
\c regress_win
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
SELECT n, teamrbac.is_printable_name(convert_from(name, 'WIN1252')) FROM (VALUES (1, '\201'::bytea), (2, '\205'), (3, 'Zo\255'), (4, 'Zo\240')) AS v(n, name) ORDER BY n;

-- Several bytes a character.
\c regress_euc
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
SELECT n, teamrbac.is_printable_name(convert_from(name, 'EUC_JP')) FROM (VALUES (1, '\305\304\303\346\241\241\302\300\317\272'::bytea), (2, '\241\241\305\304'), (3, '\241\241')) AS v(n, name) ORDER BY n;

\c :home
DROP DATABASE regress_latin1;
DROP DATABASE regress_ascii;
DROP DATABASE regress_win;
DROP DATABASE regress_euc;
