/* SPDX-License-Identifier: MIT */
/*
 * Scheduling policy: who has a CPU next, and for how long. Pure: time comes in as TSC ticks,
 * nothing is allocated, no CPU is touched; vmm/thread.c does what is decided here, and unit tests
 * simulate hours of it.
 *
 * Three kinds of claim, in this order of precedence on a CPU:
 *
 * - dedicated: the CPU is its own; nothing else is placed there.
 * - reserved: `budget` in every `period`, by earliest deadline first under a constant-bandwidth
 *   server: who uses its budget up waits for its next period, or goes on as shared if it has a
 *   weight. A claim that comes late is not given more than its bandwidth.
 * - shared: what is left, in proportion to weight, by virtual deadlines.
 *
 * A group joins entities under one weight and one cap, over all CPUs: within its group an entity's
 * weight says which part of the group's it gets. A cap is a token bucket one slice deep: in no
 * interval does its owner get more than cap x interval + one slice. Time that a reservation
 * guarantees is charged to caps but never withheld because of them.
 *
 * Locks: each queue has one lock, held by the caller around every call that is given the queue (in
 * the core: cpu->run_lock). Groups have locks of their own, inside, for a few instructions.
 */
#pragma once

#include <bulkhead/spinlock.h>
#include <bulkhead/types.h>

#define SCHEDULER_WEIGHT_DEFAULT 100
#define SCHEDULER_WEIGHT_MAX	 10000
#define SCHEDULER_CAP_MAX	 100000 /* per cent of one CPU: 1000 CPUs */
#define SCHEDULER_PERIOD_MIN_US	 500
#define SCHEDULER_PERIOD_MAX_US	 1000000
#define SCHEDULER_BUDGET_MIN_US	 100
#define SCHEDULER_RESERVED_MAX	 95 /* per cent of a CPU that reservations may take together */
#define SCHEDULER_SLICE_US	 5000
#define SCHEDULER_NEVER		 (~0UL)

enum scheduler_kind { SCHEDULER_SHARED, SCHEDULER_RESERVED, SCHEDULER_DEDICATED };

/* What an operator gives an entity. */
struct scheduler_claim {
	enum scheduler_kind kind;
	u32 weight; /* 1 to SCHEDULER_WEIGHT_MAX; reserved: 0 for no time beyond the budget */
	u32 cap;    /* per cent of one CPU, 0: none */
	u64 budget_us, period_us; /* reserved */
};

/* Owned by whoever made it; outlives its members. At most 30 of them above one another. */
struct scheduler_group {
	struct spinlock lock;
	struct scheduler_group *parent; /* NULL, or one whose weight and cap hold for this one */
	u32 weight;	     /* 0: members count with their own weights, as if not grouped */
	u32 cap;	     /* per cent of one CPU, 0: none */
	u64 runnable_weight; /* of members that are ready or running with their weights, or capped
			      * together with others */
	/* Members that blocked on queue lag_queue were that far behind, in all, at TSC lag_at, when
	 * the others' virtual time was lag_vtime. */
	s64 lag;
	const struct scheduler_queue *lag_queue;
	u64 lag_vtime, lag_at;
	s64 tokens;    /* hundredths of ticks, at most one slice */
	s64 granted;   /* of them, promised to members that run */
	u64 tokens_at; /* TSC of the last refill */
};

enum scheduler_state {
	SCHEDULER_BLOCKED, /* on no queue */
	SCHEDULER_READY,
	SCHEDULER_RUNNING,
	SCHEDULER_CAPPED, /* wants to run, but its cap or its budget forbids it until later */
	SCHEDULER_STATES
};

/* In whatever is scheduled. Fields without a comment are the policy's own. */
struct scheduler_entity {
	enum scheduler_state state; /* others may read, under the queue's lock */
	struct scheduler_claim claim;
	/* Those that may wait for one another in a loop have the same; NULL: nobody. The caller's.
	 */
	const void *family;
	struct scheduler_group group; /* its own cap; parent: what it is a member of, or NULL */
	const struct scheduler_queue *queue; /* whose virtual time `vtime` is in: its last one */
	u32 effective_weight;		     /* in 1/1024 */
	u64 vtime;     /* virtual time it has had; wraps, as all virtual times do */
	u64 vdeadline; /* when its next slice should be over, virtual */
	u64 vslice;    /* one slice of its, virtual */
	s64 lag;       /* on no queue: how far it was behind when it left */
	s64 budget_left;
	u64 deadline;		     /* reserved */
	bool on_budget;		     /* runs or waits as reserved, not with its weight */
	bool counted;		     /* in its group's runnable_weight */
	bool capped_itself;	     /* its own cap is a reason */
	bool carried;		     /* it was taken off a queue with its budget and deadline */
	u64 ready_at;		     /* capped: when it may be ready again */
	u64 charged_to;		     /* running: up to when it was charged; blocked: since when */
	u64 grant;		     /* running: ticks taken out of the caps' buckets in advance */
	u32 granted_in;		     /* out of which: bit 0 its own, bit 1 its group's, and so on */
	u64 missed_deadlines;	     /* that passed while it was ready with budget left */
	u64 state_since;	     /* TSC */
	u64 times[SCHEDULER_STATES]; /* ticks in each state, until state_since */
	struct scheduler_entity *next, *next_depleted;
};

/* One CPU's. */
struct scheduler_queue {
	u64 ticks_per_us;
	u64 slice; /* ticks */
	u32 count; /* ready: not running, not capped */
	struct scheduler_entity *running;
	struct scheduler_entity *reserved; /* ready on budget, by deadline; dedicated ones first */
	struct scheduler_entity *shared;   /* ready with their weights, by vdeadline */
	struct scheduler_entity *capped;   /* without tokens, by ready_at */
	struct scheduler_entity *depleted; /* without budget until their deadline, by that */
	u64 until;			   /* of the last decision */
	u32 caps_generation;		   /* of the caps that `capped` was made with */
	u64 vtime;  /* average of those who are ready or running with their weights */
	s64 excess; /* its fraction, in 1/load */
	u64 load;   /* effective weight, in 1/1024, of those */
};

struct scheduler_decision {
	struct scheduler_entity *next; /* NULL: nobody, the CPU is idle */
	u64 until; /* ask again at this TSC at the latest; SCHEDULER_NEVER: nobody else wants it */
};

void scheduler_queue_init(struct scheduler_queue *queue, u64 ticks_per_us);
void scheduler_group_init(struct scheduler_group *group, u32 weight, u32 cap,
			  struct scheduler_group *parent);
/* Blocked. `group` may be NULL. */
void scheduler_entity_init(struct scheduler_entity *entity, const struct scheduler_claim *claim,
			   struct scheduler_group *group, u64 now);

/* Blocked: from now on it wants to run here. Whether scheduler_pick is to be asked now: it would
 * give it the CPU at once, or the last `until` has become too late (who ran alone has a slice now).
 */
bool scheduler_wake(struct scheduler_queue *queue, struct scheduler_entity *entity,
		    u64 now) must_check;

/* Blocked, likewise, and it has the CPU at once, until SCHEDULER_NEVER. False, and nothing has
 * changed: there are others, or something limits it. */
bool scheduler_resume(struct scheduler_queue *queue, struct scheduler_entity *entity,
		      u64 now) must_check;

/* What runs is charged up to `now` and stays a candidate; the best candidate has the CPU next. */
struct scheduler_decision scheduler_pick(struct scheduler_queue *queue, u64 now) must_check;
/* The same, but what runs is blocked. */
struct scheduler_decision scheduler_block(struct scheduler_queue *queue, u64 now) must_check;
/* The same, but what runs gives up the rest of its slice (it spins for a lock) and what it was
 * behind: others that wait go first, of its family if one of it is not ahead of its share. One that
 * is on budget gives way for a moment only. */
struct scheduler_decision scheduler_yield(struct scheduler_queue *queue, u64 now) must_check;

/* Ready or capped: take it off the queue, to be blocked, or woken on another queue with the same
 * claim to time as it has here: lag, budget, and deadline, the last one moved no further than its
 * bandwidth needs. */
void scheduler_remove(struct scheduler_queue *queue, struct scheduler_entity *entity, u64 now);

/* In whatever state; `queue` is the one it is on, or was last. Ask scheduler_pick afterwards. */
void scheduler_claim_set(struct scheduler_queue *queue, struct scheduler_entity *entity,
			 const struct scheduler_claim *claim, u64 now);
/* Entity's group while it is blocked. */
void scheduler_entity_join(struct scheduler_entity *entity, struct scheduler_group *group);
/* At any time. Ask scheduler_pick on every CPU afterwards. */
void scheduler_group_set(struct scheduler_group *group, u32 weight, u32 cap);

/* Of the ready ones that `may` says may leave, the one that waits with the least prospect here;
 * NULL when there is none. */
struct scheduler_entity *
scheduler_spare(const struct scheduler_queue *queue,
		bool (*may)(const struct scheduler_entity *entity, void *context), void *context);

/* Ticks that it has spent in each state since it was made. */
void scheduler_times(const struct scheduler_entity *entity, u64 now, u64 times[SCHEDULER_STATES]);

/* Admission: which part of a CPU a claim has reserved, in millionths. */
u32 scheduler_bandwidth(const struct scheduler_claim *claim);
/* What is wrong with a claim, as a text that says what is allowed, or NULL. */
const char *scheduler_claim_fault(const struct scheduler_claim *claim);
