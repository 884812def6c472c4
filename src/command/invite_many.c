/*
 * invite_many.c
 *	  Many invitations at once, each with an outcome of its own.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "authority/errors.h"
#include "authority/identity.h"
#include "authority/team.h"
#include "command/invitation.h"
#include "command/limit.h"
#include "record/mail_allowance.h"
#include "store/text_rules.h"

#define ADDRESSES_MAX 10000

PG_FUNCTION_INFO_V1(teamrbac_invite_members);

/* A call of invite_members. */
typedef struct Batch
{
	Invitation terms; /* but for email, the same for all */
	int        room;  /* how many more may be pending */
	HTAB      *sent;  /* ids of the invitations that it has sent */
} Batch;

static void
remember_sent(Batch *batch, const pg_uuid_t *id)
{
	(void) hash_search(batch->sent, id, HASH_ENTER, NULL);
}

/* send_new sends an invitation to an address that has none pending. */
static const char *
send_new(Batch *batch, Invitation *invitation, char **token)
{
	if (batch->room <= 0 || !mail_is_allowed(&invitation->tenant_id, invitation->email))
		return "over the limit";
	*token = send_invitation(invitation);
	remember_sent(batch, &invitation->invitation_id);
	batch->room--;
	return "invited";
}

/* send_again sends one that is pending; one on other terms gives way to another on these. */
static const char *
send_again(Batch *batch, Invitation *pending, Invitation *invitation, char **token)
{
	if (hash_search(batch->sent, &pending->invitation_id, HASH_FIND, NULL) != NULL)
		return "repeated";
	if (!asker_has_authority_over_role(&pending->tenant_id, pending->role))
		return "not allowed";
	if (!mail_is_allowed(&pending->tenant_id, pending->email))
		return "over the limit";
	if (strcmp(pending->role, invitation->role) == 0 &&
	    pending->membership_expires_at == invitation->membership_expires_at)
	{
		*token = send_invitation_again(pending, &batch->terms.invited_by);
		*invitation = *pending;
	}
	else
	{
		end_invitation(pending, INVITATION_CANCELLED, NULL);
		*token = send_invitation(invitation);
	}
	remember_sent(batch, &invitation->invitation_id);
	return "invited again";
}

/* invite_one invites one address, if that may be, and says what came of it. */
static const char *
invite_one(Batch *batch, Invitation *invitation, char **token)
{
	const pg_uuid_t *tenant = &invitation->tenant_id;
	Invitation       pending = {0};

	if (invitation->email == NULL || !is_email(invitation->email))
		return "malformed";
	if (address_is_member(tenant, invitation->email))
		return "member already";
	if (!find_pending_invitation(tenant, invitation->email, &pending))
		return send_new(batch, invitation, token);
	if (pending.state == INVITATION_PENDING)
		return send_again(batch, &pending, invitation, token);
	if (batch->room > 0)
		end_invitation(&pending, INVITATION_EXPIRED, NULL);
	return send_new(batch, invitation, token);
}

/* invite_and_return adds the row of one address to the result. */
static void
invite_and_return(Batch *batch, Datum address, bool isnull, ReturnSetInfo *result)
{
	Invitation  invitation = batch->terms;
	char       *token = NULL;
	const char *outcome;
	bool        sent;

	invitation.email = isnull ? NULL : TextDatumGetCString(address);
	outcome = invite_one(batch, &invitation, &token);
	sent = token != NULL;
	tuplestore_putvalues(result->setResult, result->setDesc,
	                     (Datum[]){address, CStringGetTextDatum(outcome),
	                               UUIDPGetDatum(&invitation.invitation_id),
	                               sent ? CStringGetTextDatum(token) : (Datum) 0,
	                               TimestampTzGetDatum(invitation.expires_at)},
	                     (bool[]){isnull, false, !sent, !sent, !sent});
}

static int
addresses_arg(FunctionCallInfo fcinfo, int arg, Datum **addresses, bool **nulls)
{
	int naddresses;

	if (PG_ARGISNULL(arg))
		refuse_null("emails");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, -1, false, TYPALIGN_INT, addresses,
	                  nulls, &naddresses);
	if (naddresses > ADDRESSES_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("emails must not have more than %d addresses", ADDRESSES_MAX)));
	return naddresses;
}

static HTAB *
make_sent(void)
{
	HASHCTL control = {
		.keysize = sizeof(pg_uuid_t),
		.entrysize = sizeof(pg_uuid_t),
		.hcxt = CurrentMemoryContext,
	};

	return hash_create("teamrbac invitations sent", 64, &control,
	                   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* invite_members(tenant_id, emails, role, membership_expires_at): many are asked to join. */
Datum
teamrbac_invite_members(PG_FUNCTION_ARGS)
{
	Batch batch = {
		.terms = {.tenant_id = uuid_arg(fcinfo, 0, "tenant_id"),
	              .role = text_arg(fcinfo, 2, "role"),
	              .membership_expires_at = membership_end_arg(fcinfo, 3)},
	};
	const pg_uuid_t *tenant = &batch.terms.tenant_id;
	Datum           *addresses;
	bool            *nulls;
	int              naddresses = addresses_arg(fcinfo, 1, &addresses, &nulls);
	MemoryContext    row =
		AllocSetContextCreate(CurrentMemoryContext, "teamrbac invitation", ALLOCSET_DEFAULT_SIZES);

	batch.terms.invited_by = require_user(tenant);
	lock_tenant_for(tenant, PERMISSION_MANAGE_TEAM);

	require_authority_over_role(tenant, batch.terms.role);

	InitMaterializedSRF(fcinfo, 0);
	batch.room = room_for_invitations(tenant);
	batch.sent = make_sent();
	for (int i = 0; i < naddresses; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(row);

		CHECK_FOR_INTERRUPTS();
		invite_and_return(&batch, addresses[i], nulls[i], (ReturnSetInfo *) fcinfo->resultinfo);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	return (Datum) 0;
}
