# One version everywhere: what PostgreSQL, PGXN and Debian are told agrees, and META.json says what PGXN demands.
use strict;
use warnings;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{TESTDIR};
my $meta = JSON::PP->new->utf8->decode(slurp_file("$top/META.json"));
my @controls = sort map { s{.*/}{}r } glob("$top/*.control");

# A release has three numbers. The objects in a database are told apart by the first two: a release that mends C code
# alone needs no ALTER EXTENSION.
my ($major, $minor, $patch) = $meta->{version} =~ /^(\d+)\.(\d+)\.(\d+)$/;
ok(defined $patch, 'META.json: the version has three numbers');
is_deeply([ sort map { "$_.control" } keys %{ $meta->{provides} } ], \@controls, 'META.json: provides each extension');
for my $control (@controls)
{
	my $text = slurp_file("$top/$control");
	my ($version) = $text =~ /^default_version = '(.*)'/m;
	is($version, "$major.$minor", "$control: the first two");
	my $extension = $meta->{provides}{ $control =~ s/\.control$//r };
	is($extension->{version}, $meta->{version}, "$control: META.json provides it in the release's version");
	ok(-f "$top/$extension->{$_}", "$control: its $_ is in the archive") for 'file', 'docfile';
}

my ($debian) = slurp_file("$top/debian/changelog") =~ /\Ateamrbac \((\S+)\)/;
is($debian =~ s/-[^-]*$//r, $meta->{version}, 'debian/changelog: the newest entry');
my ($changelog) = slurp_file("$top/CHANGELOG.md") =~ /^## (\S+)/m;
is($changelog, "$major.$minor" . ($patch ? ".$patch" : ''), 'CHANGELOG.md: the newest entry');

# What the specification of META.json demands.
is(ref $meta->{ $_->[0] }, $_->[1], "META.json: $_->[0]")
  for [ 'name', '' ], [ 'abstract', '' ], [ 'maintainer', '' ], [ 'license', '' ], [ 'provides', 'HASH' ], [ 'meta-spec', 'HASH' ];
like($meta->{name}, qr{^[^\s/\\]{2,}$}, 'META.json: a name without spaces');
is($meta->{'meta-spec'}{version}, '1.0.0', 'META.json: the version of the specification');
ok(!(grep { length > 256 } @{ $meta->{tags} }), 'META.json: short tags');

# Debian's files for one release are made from those for all; other releases of Debian make their own.
sub flattened
{
	return slurp_file("$top/debian/$_[0]") =~ s/PGVERSION/15/gr;
}
for my $file ('control', 'tests/control')
{
	is(slurp_file("$top/debian/$file") =~ s/\s+\z//r, flattened("$file.in") =~ s/\s+\z//r, "debian/$file: as pg_buildext updatecontrol makes it");
}
done_testing();
