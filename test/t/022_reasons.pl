# Each refusal has a reason, and docs/errors.md lists exactly those that the code gives, with their SQLSTATEs.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = $ENV{TESTDIR};
# What users can cause by what they ask; all else is damage, a protocol between C and SQL, or the server's own.
my %refusal = map { $_ => 1 } qw(42501 28000 22023 23505 55000 P0002 24000);

my %state;
my ($include) = run_command([ 'pg_config', '--includedir-server' ]);
my $errcodes = slurp_file("$include/utils/errcodes.h");
while ($errcodes =~ /#define (ERRCODE_\w+) MAKE_SQLSTATE\((.*?)\)/g)
{
	my ($name, $characters) = ($1, $2);
	$state{$name} = join '', $characters =~ /'(.)'/g;
}

# ---- the code ----

my $parens;
$parens = qr/\((?:[^()"']++|"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)++'|(??{ $parens }))*+\)/;
my ($reasons, $unreasoned, $unread) = ({}, [], []);

# The arguments of a call, without its parentheses.
sub arguments
{
	my @arguments = ('');
	for my $piece ($_[0] =~ /\G($parens|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)+'|,|[^(",']+)/g)
	{
		if ($piece eq ',') { push @arguments, ''; }
		else { $arguments[-1] .= $piece; }
	}
	return map { s/^\s+|\s+$//gr } @arguments;
}

sub note_reasons
{
	my ($where, $state, $reason) = @_;
	my @names = $reason =~ /"(\w+)"/g;
	push @$unread, "$where: $reason" unless @names;
	$reasons->{"$_ $state"} = $where for @names;
}

# A function that takes a reason and raises it, or has another one do so, is a helper: its calls give the reasons.
my %source;
for my $file (glob("$dir/src/{authority,command,job,record,store}/*.c"))
{
	my $name = $file =~ s{^\Q$dir\E/}{}r;
	$source{$name} = slurp_file($file) =~ s{/\*.*?\*/}{}gsr;
}
my %body;
for my $file (sort keys %source)
{
	while ($source{$file} =~ /^(\w+)($parens)\n\{\n(.*?)^\}/msg)
	{
		$body{$1} = { file => $file, parameters => [ arguments(substr($2, 1, -1)) ], text => $3 };
	}
}
my %helper;

# How the calls of a helper are read: the place of the reason, and the SQLSTATE or its place.
sub add_helper
{
	my ($function, $code) = @_;
	my @parameters = @{ $body{$function}{parameters} };
	my ($reason) = grep { $parameters[$_] =~ /^const char \*reason$/ } 0 .. $#parameters;
	my ($place) = grep { $parameters[$_] =~ /\b\Q$code\E$/ } 0 .. $#parameters;
	return 0 if exists $helper{$function} || !defined $reason;
	$helper{$function} = { reason => $reason, code => $code, place => $place };
	return 1;
}

for my $function (sort keys %body)
{
	my ($where, $text) = ("$body{$function}{file}, $function", $body{$function}{text});
	while ($text =~ /\bereport($parens)/g)
	{
		my $report = $1;
		next unless $report =~ /^\(\s*ERROR\b/;
		my ($code) = $report =~ /\berrcode\((.*?)\)/s;
		my ($reason) = $report =~ /\berrreason($parens)/;
		my $sqlstate = $state{ $code // '' } // '';
		if (!defined $reason) { push @$unreasoned, $where if $refusal{$sqlstate}; }
		elsif ($reason eq '(reason)') { add_helper($function, $code) or push @$unread, "$where: $reason"; }
		# What another process's refusal gave.
		elsif ($reason eq '(call->reason)' && $code eq 'call->sqlstate') { }
		else { note_reasons($where, $sqlstate, $reason); }
	}
}
my $found;
do
{
	$found = 0;
	for my $function (keys %body)
	{
		for my $name (keys %helper)
		{
			while ($body{$function}{text} =~ /\b$name($parens)/g)
			{
				my @given = arguments(substr($1, 1, -1));
				my $code = defined $helper{$name}{place} ? $given[ $helper{$name}{place} ] : $helper{$name}{code};
				$found += add_helper($function, $code) if $given[ $helper{$name}{reason} ] eq 'reason';
			}
		}
	}
} while ($found);
my ($faults) = $source{'src/authority/jws.c'} =~ /faults\[TOKEN_FAULTS\] = \{(.*?)^\};/ms;
for my $function (sort keys %body)
{
	for my $name (sort keys %helper)
	{
		while ($body{$function}{text} =~ /\b$name($parens)/g)
		{
			my @given = arguments(substr($1, 1, -1));
			my $code = defined $helper{$name}{place} ? $given[ $helper{$name}{place} ] : $helper{$name}{code};
			my $reason = $given[ $helper{$name}{reason} ];
			next if $reason eq 'reason';
			$reason = join ' ', map { qq("$_") } grep { $_ ne 'token_good' } $faults =~ /\{"(\w+)"/g
			  if $reason eq 'token_fault_reason(fault)';
			# Of a choice, not what decides it.
			note_reasons("$body{$function}{file}, $function", $state{$code}, $reason =~ s/^.*?\?//sr);
		}
	}
}

for my $file (glob("$dir/sql/parts/*.sql"))
{
	my $text = slurp_file($file) =~ s/^\s*--.*$//mgr;
	while ($text =~ /RAISE EXCEPTION ((?:'(?:[^']|'')*'|[^;'])*);/g)
	{
		my $raise = $1;
		my $where = $file =~ s{.*/sql/}{sql/}r;
		my ($code) = $raise =~ /ERRCODE = '(\w{5})'/;
		my ($reason) = $raise =~ /CONSTRAINT = '(\w+)'/;
		# teamrbac_api gives another function's refusal a status.
		next if $raise =~ /ERRCODE = status/;
		if (defined $code && defined $reason) { $reasons->{"$reason $code"} = $where; }
		else { push @$unreasoned, $where; }
	}
}

cmp_ok(scalar keys %helper, '>=', 6, 'the helpers that take a reason are found');
is_deeply($unreasoned, [], 'each refusal has a reason');
is_deeply($unread, [], 'each reason can be read in the code');
is_deeply([ grep { !/^[a-z0-9]+(_[a-z0-9]+)+ \w{5}$/ } sort keys %$reasons ], [], 'reasons are in snake case');

# ---- the list ----

my ($list, $constraints) = split /^## Constraints.*$/m, slurp_file("$dir/docs/errors.md");
my %listed;
for my $row ($list =~ /^(\| `.*)$/mg)
{
	my ($reason, $sqlstate, $when, $people) = $row =~ /^\| `(\w+)` \| (\w{5}) \| (.+) \| (.+) \|$/
	  or fail("a row of docs/errors.md: $row"), next;
	ok(!$listed{"$reason $sqlstate"}++, "$reason is listed once");
	like($people, qr/^[A-Z].*[.?]$/, "$reason: a sentence for people");
}
is(join("\n", sort keys %listed), join("\n", sort keys %$reasons), 'docs/errors.md lists what the code gives')
  or diag(map { "$_: $reasons->{$_}\n" } grep { !$listed{$_} } sort keys %$reasons);

my $parts = join '', map { slurp_file($_) } glob("$dir/sql/parts/*.sql");
my @constraints = $constraints =~ /^\| `(\w+)` \| 23505 \|/mg;
cmp_ok(scalar @constraints, '>=', 2, 'constraints are listed');
like($parts, qr/UNIQUE INDEX $_ /, "there is $_") for @constraints;

done_testing();
