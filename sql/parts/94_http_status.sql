-- Refusals as HTTP knows them, for teamrbac_api.  Here, since the functions there may be in any schema, and find this
-- by its name.

CREATE TYPE teamrbac.refusal AS (
	code    text,
	message text,
	detail  text,
	hint    text,
	reason  text
);
COMMENT ON TYPE teamrbac.refusal IS 'An error that a function of teamrbac_api has caught.';
COMMENT ON COLUMN teamrbac.refusal.code IS 'RETURNED_SQLSTATE.';
COMMENT ON COLUMN teamrbac.refusal.message IS 'MESSAGE_TEXT.';
COMMENT ON COLUMN teamrbac.refusal.detail IS 'PG_EXCEPTION_DETAIL.';
COMMENT ON COLUMN teamrbac.refusal.hint IS 'PG_EXCEPTION_HINT.';
COMMENT ON COLUMN teamrbac.refusal.reason IS 'CONSTRAINT_NAME, where a refusal has its reason.';

-- PostgREST answers an error of SQLSTATE PTxyz by the status xyz.
CREATE FUNCTION teamrbac.raise_http_status(refusal teamrbac.refusal) RETURNS void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, teamrbac, pg_temp
AS $$
DECLARE
	status text := CASE refusal.code
		WHEN '22023' THEN 'PT400'
		WHEN '23514' THEN 'PT400'
		WHEN '28000' THEN 'PT401'
		WHEN '42501' THEN 'PT403'
		WHEN 'P0002' THEN 'PT404'
		WHEN '23505' THEN 'PT409'
		-- What is over is gone; any other state may still be another's.
		WHEN '55000' THEN CASE WHEN refusal.reason LIKE '%\_expired' THEN 'PT410' ELSE 'PT409' END
	END;
	-- It becomes part of the answer's first line, where a line's end from an argument would begin a header.
	message text := regexp_replace(refusal.message, '[\x01-\x1f\x7f]', ' ', 'g');
	reason text := COALESCE(NULLIF(refusal.reason, ''), refusal.code);
	-- Of a check that fails, the detail is the whole row.
	detail text := CASE WHEN refusal.code <> '23514' THEN refusal.detail END;
	advice text := concat_ws(' ', NULLIF(detail, ''), NULLIF(refusal.hint, ''));
BEGIN
	IF status IS NULL THEN
		RETURN;
	ELSIF advice = '' THEN
		RAISE EXCEPTION USING ERRCODE = status, MESSAGE = message, DETAIL = reason;
	END IF;
	RAISE EXCEPTION USING ERRCODE = status, MESSAGE = message, DETAIL = reason, HINT = advice;
END
$$;
COMMENT ON FUNCTION teamrbac.raise_http_status(teamrbac.refusal) IS
	'For teamrbac_api: raises a refusal anew as PostgREST turns it into an answer. SQLSTATE is PT and the status (400 bad argument, 401 nobody signed in, 403 not allowed, 404 not found, 409 taken or in another state, 410 expired), the detail is the reason, or the SQLSTATE where the server gave none, the hint tells what detail and hint told, and the message is one line. Returns if the error is no refusal of ours. Errors: PT400, PT401, PT403, PT404, PT409, PT410. Takes no lock.';
