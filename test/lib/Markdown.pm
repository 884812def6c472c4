# The SQL of our documents, for the tests that run it. Needs nothing but perl.
package Markdown;
use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(section sql_blocks);

# The text of a section, up to the next of its level.
sub section
{
	my ($text, $title) = @_;
	my ($section) = $text =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms or die "there is no section \"$title\"\n";
	return $section;
}

# The SQL blocks, fenced or indented, in order.
sub sql_blocks
{
	my ($text) = @_;
	my @blocks;
	while ($text =~ /^```sql\n(.*?)^```|^((?:    [A-Z]+ [^\n]*\n)+)/msg)
	{
		push @blocks, $1 // $2;
	}
	return @blocks;
}

1;
