/* SPDX-License-Identifier: MIT */
/* Guest paging: what an access by linear address comes to (SDM vol. 3, sections 4.6 and 4.7). */
#include <bulkhead/emulate.h>
#include <bulkhead/error.h>

#define VECTOR_GP 13
#define VECTOR_PF 14

#define ERROR_PRESENT  BIT(0)
#define ERROR_WRITE    BIT(1)
#define ERROR_USER     BIT(2)
#define ERROR_RESERVED BIT(3)
#define ERROR_FETCH    BIT(4)
#define ERROR_KEY      BIT(5)

/* Entries that another CPU keeps changing go without accessed and dirty bits in the end. */
#define UPDATE_TRIES 8

struct translation {
	const struct guest_paging *paging;
	u64 linear;
	u32 access;
	u64 rights; /* of the page: see struct guest_walk */
	unsigned key;
};

static int fault_set(struct emulate_fault *fault, u8 vector, u32 error_code, u64 address)
{
	*fault = (struct emulate_fault){.vector = vector,
					.has_error_code = true,
					.error_code = error_code,
					.address = address};
	return -EFAULT;
}

static bool by_user(const struct translation *t)
{
	return (t->access & (EMULATE_ACCESS_USER | EMULATE_ACCESS_IMPLICIT)) == EMULATE_ACCESS_USER;
}

/* SDM 4.7. The fetch bit exists only where fetches are told apart from reads. */
static int page_fault(const struct translation *t, u64 error, struct emulate_fault *fault)
{
	if (t->access & EMULATE_ACCESS_WRITE)
		error |= ERROR_WRITE;
	if (by_user(t))
		error |= ERROR_USER;
	if (t->access & EMULATE_ACCESS_FETCH &&
	    (guest_paging_nx(t->paging) || t->paging->cr4 & CR4_SMEP))
		error |= ERROR_FETCH;
	return fault_set(fault, VECTOR_PF, (u32)error, t->linear);
}

/* SDM 4.6. */
static bool user_allowed(const struct translation *t)
{
	u64 rights = t->rights;

	if (!(rights & GUEST_ENTRY_USER))
		return false;
	if (t->access & EMULATE_ACCESS_WRITE)
		return rights & GUEST_ENTRY_WRITE;
	return !(t->access & EMULATE_ACCESS_FETCH && rights & GUEST_ENTRY_NX);
}

static bool supervisor_allowed(const struct translation *t)
{
	const struct guest_paging *paging = t->paging;
	u64 rights = t->rights;
	bool user_page = rights & GUEST_ENTRY_USER;

	if (t->access & EMULATE_ACCESS_FETCH)
		return !(rights & GUEST_ENTRY_NX) && !(user_page && paging->cr4 & CR4_SMEP);
	if (user_page && paging->cr4 & CR4_SMAP &&
	    (t->access & EMULATE_ACCESS_IMPLICIT || !(paging->rflags & RFLAGS_AC)))
		return false;
	return !(t->access & EMULATE_ACCESS_WRITE) || rights & GUEST_ENTRY_WRITE ||
	       !(paging->cr0 & CR0_WP);
}

/* SDM 4.6.2. Keys are for data, in pages that users may reach. */
static bool key_allows(const struct translation *t)
{
	const struct guest_paging *paging = t->paging;
	u32 rights = paging->pkru >> (2 * t->key) & 3;

	if (!(paging->cr4 & CR4_PKE) || !(paging->efer & EFER_LMA) ||
	    !(t->rights & GUEST_ENTRY_USER) || t->access & EMULATE_ACCESS_FETCH)
		return true;
	if (rights & 1)
		return false;
	return !(rights & 2) || !(t->access & EMULATE_ACCESS_WRITE) ||
	       (!by_user(t) && !(paging->cr0 & CR0_WP));
}

static int rights_check(const struct translation *t, struct emulate_fault *fault)
{
	bool key = key_allows(t);

	if (key && (by_user(t) ? user_allowed(t) : supervisor_allowed(t)))
		return 0;
	return page_fault(t, ERROR_PRESENT | (key ? 0 : ERROR_KEY), fault);
}

/* What the processor notes down in the entries it uses (SDM 4.8). false: one has changed. */
static bool entries_update(const struct guest_paging *paging, const struct guest_walk *walk,
			   u32 access)
{
	unsigned bytes = guest_paging_wide(paging) ? 8 : 4;
	bool pae = guest_paging_wide(paging) && !(paging->efer & EFER_LMA);

	for (unsigned i = pae ? 1 : 0; i < walk->count; i++) {
		const struct guest_walk_entry *entry = &walk->entries[i];
		u64 new = entry->value | GUEST_ENTRY_ACCESSED;

		if (i == walk->count - 1 && access & EMULATE_ACCESS_WRITE)
			new |= GUEST_ENTRY_DIRTY;
		if (new != entry->value &&
		    !paging->update(paging->context, entry->at, entry->value, new, bytes))
			return false;
	}
	return true;
}

/* What the walk came to, for this access. */
static int walk_judge(const struct guest_paging *paging, const struct guest_walk *walk, u32 access,
		      struct emulate_fault *fault)
{
	struct translation t = {
		.paging = paging, .linear = walk->linear, .access = access, .rights = walk->rights};

	switch (walk->end) {
	case GUEST_WALK_PAGE:
		break;
	case GUEST_WALK_NOT_CANONICAL:
		return fault_set(fault, VECTOR_GP, 0, 0);
	case GUEST_WALK_NOT_RAM: /* such a table has no entries that are present */
	case GUEST_WALK_NOT_PRESENT:
		return page_fault(&t, 0, fault);
	case GUEST_WALK_RESERVED:
		return page_fault(&t, ERROR_PRESENT | ERROR_RESERVED, fault);
	}
	if (!walk->count) /* paging is off */
		return 0;
	t.key = GUEST_ENTRY_KEY(walk->entries[walk->count - 1].value);
	return rights_check(&t, fault);
}

int emulate_translate(const struct guest_paging *paging, u64 linear, u32 access, u64 *gpa,
		      struct emulate_fault *fault)
{
	struct guest_walk walk;

	for (unsigned tries = 0; tries < UPDATE_TRIES; tries++) {
		int error;

		guest_walk(paging, linear, &walk);
		error = walk_judge(paging, &walk, access, fault);
		if (error)
			return error;
		if (!paging->update || entries_update(paging, &walk, access))
			break;
	}
	*gpa = walk.gpa;
	return 0;
}
