-- The application's own part of the database, as a superuser, once.
CREATE EXTENSION teamrbac CASCADE;
-- The application logs in as this role, which may sign in nobody: a token that the database verifies does.
CREATE ROLE team_page LOGIN;
CREATE TABLE prompt (
	tenant_id  uuid NOT NULL DEFAULT teamrbac.current_tenant_id() REFERENCES teamrbac.tenant ON DELETE CASCADE,
	id         bigint GENERATED ALWAYS AS IDENTITY,
	title      text NOT NULL,
	body       text NOT NULL,
	state      text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'live')),
	changed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tenant_id, id)
);
SELECT teamrbac.protect_table('prompt', 'prompts.view', 'prompts.edit');
CREATE TRIGGER promote BEFORE UPDATE ON prompt FOR EACH ROW WHEN (NEW.state = 'live' AND OLD.state <> 'live')
	EXECUTE FUNCTION teamrbac.require_permission_on_change('prompts.promote', 'tenant_id');
GRANT SELECT, INSERT, UPDATE ON prompt TO team_page;
