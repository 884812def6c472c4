/*
 * table_column.c
 *	  Type teamrbac.table_column: a column that outlives renamings, and a dump without its table.
 *
 * regclass would do for the table, but refuses a name that is not there: a dump that leaves out one protected table
 * (pg_dump -T) could not load the record of any.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "store/table_column.h"

PG_FUNCTION_INFO_V1(teamrbac_table_column_in);
PG_FUNCTION_INFO_V1(teamrbac_table_column_out);
PG_FUNCTION_INFO_V1(teamrbac_table_column_relation);
PG_FUNCTION_INFO_V1(teamrbac_table_column_number);

/* teamrbac.table_column_in(cstring): the column of that name, schema.table.column; none if there is no such one. */
Datum
teamrbac_table_column_in(PG_FUNCTION_ARGS)
{
	char      *text = PG_GETARG_CSTRING(0);
	List      *names;
	Oid        schema;
	Oid        relation = InvalidOid;
	AttrNumber number = InvalidAttrNumber;

	if (text[0] == '\0')
		PG_RETURN_INT64(0);
	names = compat_string_to_names(text);
	if (list_length(names) != 3)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		         errmsg("invalid input syntax for type %s: \"%s\"", "teamrbac.table_column", text),
		         errhint("Name schema, table and column, with dots between.")));
	schema = get_namespace_oid(strVal(linitial(names)), true);
	if (OidIsValid(schema))
		relation = get_relname_relid(strVal(lsecond(names)), schema);
	if (OidIsValid(relation))
		number = get_attnum(relation, strVal(lthird(names)));
	PG_RETURN_INT64(number > 0 ? table_column(relation, number) : 0);
}

/* teamrbac.table_column_out(teamrbac.table_column): schema.table.column, or nothing where that is gone. */
Datum
teamrbac_table_column_out(PG_FUNCTION_ARGS)
{
	TableColumn column = PG_GETARG_INT64(0);
	Oid         relation = table_column_relation(column);
	char       *name = get_attname(relation, table_column_number(column), true);

	if (name == NULL)
		PG_RETURN_CSTRING(pstrdup(""));
	PG_RETURN_CSTRING(
		psprintf("%s.%s",
	             quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
	                                        get_rel_name(relation)),
	             quote_identifier(name)));
}

/* teamrbac.table_of(teamrbac.table_column): the table's OID, which may be gone. */
Datum
teamrbac_table_column_relation(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(table_column_relation(PG_GETARG_INT64(0)));
}

/* teamrbac.number_of(teamrbac.table_column): the column's number, of a dropped one too. */
Datum
teamrbac_table_column_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16(table_column_number(PG_GETARG_INT64(0)));
}
