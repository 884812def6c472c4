# JSON Web Tokens that are good, and an issuer's keys: known answers, tokens of other implementations, keys that are
# refused, what stays behind, databases of other encodings, a server without OpenSSL.
use strict;
use warnings;
use lib "$ENV{TESTDIR}/test/lib";
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TokenTest;

my ($node, $library) = start_node();
my %made = map { $_->{alg} => $_ } @{ read_json("$files/jose.json") };
my ($rsa, $ec, $ed) = @made{qw(RS256 ES256 EdDSA)};
my %rsa = %{ $rsa->{key} };
delete @rsa{qw(alg use kid)};

# ---- known answers -------------------------------------------------------------------------------------------

my %rfc = map { $_->{name} => $_ } @{ read_json("$files/rfc.json") };
for my $name (sort keys %rfc)
{
	my $v = $rfc{$name};
	my ($header, $payload, $signature) = split /\./, $v->{token};
	my $expected = $v->{payload};
	utf8::encode($expected);
	$expected =~ s/\r//g;
	my $got = jws($v->{token}, jwks($v->{key}), $v->{alg});
	$got =~ s/\r//g;
	is($got, $expected, "$name, $v->{alg}");

	# Each bit that somebody changes, of the first and the last bytes of each part, and of what is signed.
	my $bytes = decode_base64url($signature);
	for my $i (0, length($bytes) / 2, length($bytes) - 1)
	{
		my $changed = $bytes;
		substr($changed, $i, 1) ^= "\x01";
		is(jws("$header.$payload." . encode_base64url($changed), jwks($v->{key}), $v->{alg}),
			'token_signature', "$name: not with another signature");
	}
	my $other = decode_base64url($payload);
	substr($other, 0, 1) ^= "\x01";
	is(jws("$header." . encode_base64url($other) . ".$signature", jwks($v->{key}), $v->{alg}),
		'token_signature', "$name: not with another payload");
	is(jws("$header.$payload." . encode_base64url($bytes . "\0"), jwks($v->{key}), $v->{alg}),
		'token_signature', "$name: not with a longer signature");
	is(jws("$header.$payload." . encode_base64url(substr $bytes, 0, -1), jwks($v->{key}), $v->{alg}),
		'token_signature', "$name: not with a shorter signature");
}
is(
	jws(
'eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.',
		jwks($rfc{'RFC 7515, A.1'}{key}),
		'HS256'
	),
	'token_algorithm',
	'RFC 7515, A.5: unsecured'
);

# ---- other implementations -----------------------------------------------------------------------------------

my ($output) = run_command([ '/usr/bin/python3', "$files/make_pyjwt.py" ]);
my $python = $json->decode($output);
my %implementations = (jose => read_json("$files/jose.json"), PyJWT => $python->{good});
for my $bad (@{ $python->{bad} })
{
	is(jws($bad->{token}, jwks($bad->{key}), $bad->{alg}), 'token_signature', "not accepted: $bad->{name}");
}
for my $by (sort keys %implementations)
{
	my @made = @{ $implementations{$by} };
	my $keys = jwks(map { $_->{key} } @made);
	is_deeply([ map { $_->{alg} } @made ], \@algorithms, "$by makes tokens of every algorithm");
	is_deeply(
		[ answers($keys, \@algorithms, [ map { $_->{token} } @made ]) ],
		[ map { "subject of $_ $_" } @algorithms ],
		"$by: every token is verified by its key among all"
	);
	is_deeply(
		[ answers($keys, [ grep { $_ ne 'ES256' } @algorithms ], [ map { $_->{token} } @made ]) ],
		[ map { $_ eq 'ES256' ? 'token_algorithm' : "subject of $_ $_" } @algorithms ],
		"$by: an issuer's algorithms are a choice"
	);

	# No key verifies what another has signed, and none another algorithm than its own.
	my %got = map { $_ => 1 } answers(jwks(map { my %k = %{ $_->{key} }; $k{kid} =~ s/-/-not-/; \%k } @made),
		\@algorithms, [ map { $_->{token} } @made ]);
	is_deeply([ sort keys %got ], ['token_key'], "$by: a token that names a key gets no other");
}
for my $alg (@algorithms)
{
	my ($jose) = grep { $_->{alg} eq $alg } @{ $implementations{jose} };
	my ($py)   = grep { $_->{alg} eq $alg } @{ $implementations{PyJWT} };
	my %wrong  = (%{ $py->{key} }, kid => $jose->{key}{kid});
	is(jws($jose->{token}, jwks(\%wrong), @algorithms), 'token_signature', "$alg: not by somebody else's key");
	my %nameless = %{ $jose->{key} };
	delete @nameless{qw(kid alg use)};
	my ($header) = split /\./, $jose->{token};
	like(
		jws($jose->{token}, jwks(\%nameless), @algorithms),
		qr/subject of $alg/,
		"$alg: a key with no name serves tokens that name one"
	);
	like(
		jws($jose->{token}, jwks(\%wrong, $jose->{key}), @algorithms),
		qr/subject of $alg/,
		"$alg: of two keys with one name, either"
	);
}

# ---- keys ----------------------------------------------------------------------------------------------------

is(keys_of($_->[0]), $_->[1], "keys: $_->[2]")
  for (
	[ '{}',           '22023 It must be a JSON object with an array "keys".', 'none' ],
	[ '[]',           '22023 It must be a JSON object with an array "keys".', 'an array' ],
	[ '1',            '22023 It must be a JSON object with an array "keys".', 'a number' ],
	[ '{"keys": {}}', '22023 It must be a JSON object with an array "keys".', 'an object of keys' ],
	[ '{"keys": []}', '22023 None of its keys can verify a token by an algorithm known here.', 'an empty array' ],
	[ '{"keys": [1]}',          '22023 Key 1 is not a JSON object.',             'a number for a key' ],
	[ '{"keys": [[]]}',         '22023 Key 1 is not a JSON object.',             'an array for a key' ],
	[ '{"keys": [{}]}',         '22023 Key 1 lacks "kty".',                      'no type' ],
	[ '{"keys": [{"kty": 1}]}', '22023 Key 1 has a "kty" that is not a string.', 'a type of the wrong kind' ],
	[
		jwks({ %rsa, use => 'enc' }),
		'22023 None of its keys can verify a token by an algorithm known here.',
		'for encryption'
	],
	[
		jwks({ %rsa, key_ops => ['sign'] }),
		'22023 None of its keys can verify a token by an algorithm known here.',
		'for signing'
	],
	[ jwks({ %rsa, key_ops => ['verify'] }), 1, 'for verifying' ],
	[
		jwks({ %rsa, key_ops => 'verify' }),
		'22023 Key 1 has a "key_ops" that is not an array.',
		'operations of the wrong kind'
	],
	[
		jwks(
			{ %rsa, alg => 'RSA-OAEP' },
			\%rsa,
			{ kty => 'XX' },
			{ kty => 'EC',  crv => 'secp256k1' },
			{ kty => 'OKP', crv => 'X25519' }
		),
		1,
		'of unknown kinds beside a known one'
	],
	[
		jwks({ %rsa, alg => 'ES256' }),
		'22023 Key 1 has an "alg" that does not fit its type.',
		'an algorithm of another type'
	],
	[ jwks(\%secret, { %rsa, d => 'AQAB' }), '22023 Key 2 is a private key.', 'a private RSA key' ],
	[ jwks({ %{ $ec->{key} }, d => 'AQAB' }), '22023 Key 1 is a private key.', 'a private EC key' ],
	[ jwks({ %{ $ed->{key} }, d => 'AQAB' }), '22023 Key 1 is a private key.', 'a private Ed25519 key' ],
	[
		jwks({ %rsa, n => encode_base64url("\x80" . 'x' x 127) }),
		'22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.',
		'1024 bits'
	],
	[
		jwks({ %rsa, n => encode_base64url("\x7f" . 'x' x 254 . "\x01") }),
		'22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.',
		'2047 bits'
	],
	[
		jwks({ %rsa, n => encode_base64url("\0" x 200 . "\x80" . 'x' x 127) }),
		'22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.',
		'zeros in front'
	],
	[
		jwks({ %rsa, n => encode_base64url("\xff" x 1025) }),
		'22023 Key 1 is an RSA key of fewer than 2048 or more than 8192 bits.',
		'too many bits'
	],
	[
		jwks({ %rsa, e => 'AQ' }),
		'22023 Key 1 has an RSA modulus or exponent that nobody makes.',
		'an exponent of 1'
	],
	[
		jwks({ %rsa, e => 'AA' }),
		'22023 Key 1 has an RSA modulus or exponent that nobody makes.',
		'an exponent of 0'
	],
	[
		jwks({ %rsa, e => 'Ag' }),
		'22023 Key 1 has an RSA modulus or exponent that nobody makes.',
		'an exponent of 2'
	],
	[ jwks({ %rsa, e => 'AQAB=' }), '22023 Key 1 has a "e" that is not base64url.', 'padding' ],
	[ jwks({ kty => 'RSA', n => $rsa{n} }), '22023 Key 1 lacks "e".', 'no exponent' ],
	[
		jwks({ kty => 'EC', crv => 'P-256', x => 'AQ', y => 'AQ' }),
		'22023 Key 1 has a "x" of the wrong length.',
		'a short coordinate'
	],
	[
		jwks({ kty => 'EC', crv => 'P-384', x => $ec->{key}{x}, y => $ec->{key}{y} }),
		'22023 Key 1 has a "x" of the wrong length.',
		'another curve\'s coordinates'
	],
	[
		jwks({ kty => 'OKP', crv => 'Ed25519', x => 'AQ' }),
		'22023 Key 1 has a "x" of the wrong length.',
		'a short Ed25519 key'
	],
	[ jwks({ kty => 'oct' }), '22023 Key 1 lacks "k".',          'no secret' ],
	[ jwks((\%rsa) x 64),     64,                                'as many as may be' ],
	[ jwks((\%rsa) x 65),     '22023 It has more than 64 keys.', 'too many' ]
  );

# ---- what stays behind ---------------------------------------------------------------------------------------

# Keys are malloc'd by libcrypto: neither an end nor an error may leave one.
my $all_keys = quoted(jwks(map { $_->{key} } values %made));
my $bad_keys = quoted(jwks(\%rsa, $ec->{key}, {kty => 'oct'}));
my $leaked = $node->safe_psql('postgres', <<"SQL");
DO \$\$
DECLARE keys jsonb := $all_keys; bad jsonb := $bad_keys; before bigint;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		IF i = 1000 THEN before := test_malloced(); END IF;
		PERFORM test_keys(keys);
		BEGIN
			PERFORM test_keys(bad);
			RAISE 'not refused';
		EXCEPTION WHEN invalid_parameter_value THEN
		END;
	END LOOP;
	PERFORM set_config('my.leaked', (test_malloced() - before)::text, false);
END \$\$;
SELECT current_setting('my.leaked');
SQL
cmp_ok($leaked, '<', 200_000, "two thousand sets and as many errors leave no key behind ($leaked bytes)");

# No error shows a key, or a token.
my $log = slurp_file($node->logfile);
$log =~ s/^.*(?:STATEMENT|LOG): .*\n(?:\t.*\n)*//mg;
unlike($log, qr/\Q$rsa{n}\E|\Q$secret{k}\E|\Q$made{ES256}{token}\E/, 'no key in any error');

# ---- other databases, other servers --------------------------------------------------------------------------

$node->safe_psql('postgres',
"CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
	 CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
);
for my $db (qw(latin ascii))
{
	$node->safe_psql($db, functions($library));
	for my $case ([ '"J\u00f6rg"', 1 ], [ "\"J\xc3\xb6rg\"", 1 ], [ '"\u20ac"', 0 ], [ "\"\xe2\x82\xac\"", 0 ])
	{
		my $token = signed('{"alg":"HS256"}',
				'{"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"name":'
			  . $case->[0]
			  . '}');
		my $got = $node->safe_psql($db,
				'SELECT test_token('
			  . quoted($token) . ', '
			  . quoted(jwks(\%secret))
			  . ", 'https://jose.example.com', '{teamrbac}', '{HS256}', NULL, '30 s', to_timestamp(1800000000))");
		like($got, qr/^(?:a -|token_malformed)$/, "$db: $case->[0] raises no error");
		is($got, $case->[1] ? 'a -' : 'token_malformed', "$db: $case->[0]") if $db eq 'latin';
	}
}

my $twice = signed('{"alg":"HS256"}',
qq({"iss":"https://jose.example.com","sub":"a","aud":"teamrbac","exp":1800000100,"\xc3\xb6":1,"\\u00f6":2})
);
is(answer($twice), 'token_malformed', 'one name, once as it is and once escaped');
is(
	$node->safe_psql(
		'latin',
		'SELECT test_token('
		  . quoted($twice) . ', '
		  . quoted(jwks(\%secret))
		  . ", 'https://jose.example.com', '{teamrbac}', '{HS256}', NULL, '30 s', to_timestamp(1800000000))"
	),
	'token_malformed',
	'likewise in LATIN1'
);

# A server without OpenSSL says so.
my $without = PostgreSQL::Test::Utils::tempdir();
my ($headers) = run_command([ $ENV{PG_CONFIG}, '--includedir-server' ]);
system_or_bail('cp', '-RL', $headers, "$without/server");
append_to_file("$without/server/pg_config.h", "#undef USE_OPENSSL\n");
my $plain = build($without, "includedir_server=$without/server", 'with_ssl=no');
my ($symbols) = run_command([ 'nm', '-D', $plain ]);
unlike($symbols, qr/EVP_|CRYPTO_/, 'without OpenSSL, the library needs none');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain',    functions($plain));
my ($out, $err);
$node->psql(
	'plain', "\\set VERBOSITY verbose\nSELECT test_keys(" . quoted(jwks(\%secret)) . ')',
	stdout => \$out,
	stderr => \$err
);
like(
	$err,
	qr/ERROR:  0A000: tokens cannot be verified by this server\nDETAIL:  PostgreSQL was built without OpenSSL/,
	'without OpenSSL, a clear error'
);

$node->stop;
done_testing();
