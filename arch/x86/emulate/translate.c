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

struct translation {
	const struct guest_paging *paging;
	u64 linear;
	u32 access;
	u64 rights; /* of the page: see struct guest_walk */
};

static int fault_set(struct emulate_fault *fault, u8 vector, u32 error_code, u64 address)
{
	*fault = (struct emulate_fault){.vector = vector,
					.has_error_code = true,
					.error_code = error_code,
					.address = address};
	return -EFAULT;
}

/* SDM 4.7. The fetch bit exists only where fetches are told apart from reads. */
static int page_fault(const struct translation *t, u64 error, struct emulate_fault *fault)
{
	if (t->access & EMULATE_ACCESS_WRITE)
		error |= ERROR_WRITE;
	if (t->access & EMULATE_ACCESS_USER)
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
	if (user_page && paging->cr4 & CR4_SMAP && !(paging->rflags & RFLAGS_AC))
		return false;
	return !(t->access & EMULATE_ACCESS_WRITE) || rights & GUEST_ENTRY_WRITE ||
	       !(paging->cr0 & CR0_WP);
}

static bool allowed(const struct translation *t)
{
	return t->access & EMULATE_ACCESS_USER ? user_allowed(t) : supervisor_allowed(t);
}

int emulate_translate(const struct guest_paging *paging, u64 linear, u32 access, u64 *gpa,
		      struct emulate_fault *fault)
{
	struct guest_walk walk;
	struct translation t;

	guest_walk(paging, linear, &walk);
	t = (struct translation){paging, walk.linear, access, walk.rights};
	switch (walk.end) {
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
	*gpa = walk.gpa;
	if (!walk.count) /* paging is off */
		return 0;
	return allowed(&t) ? 0 : page_fault(&t, ERROR_PRESENT, fault);
}
