-- A role for migrations, its table as the tools' declarations have it, protected and guarded.
SET client_min_messages = warning;
CREATE EXTENSION teamrbac CASCADE;
CREATE ROLE migrator LOGIN;
GRANT CREATE, USAGE ON SCHEMA public TO migrator;
GRANT REFERENCES (tenant_id) ON teamrbac.tenant TO migrator;
SELECT teamrbac.guard_protection();
SET ROLE migrator;
CREATE TABLE note (
	tenant_id uuid NOT NULL,
	id        bigint NOT NULL,
	n         integer NOT NULL DEFAULT 0,
	CONSTRAINT note_pkey PRIMARY KEY (tenant_id, id)
);
SELECT teamrbac.protect_table('note', 'prompts.view', 'prompts.edit');
