-- After everything that makes or changes a table: what check_setup will expect to find.

INSERT INTO teamrbac.own_part (kind, relation, name) SELECT p.kind, p.relation, p.name
	FROM teamrbac.present_part() AS p;
