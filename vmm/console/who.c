/* SPDX-License-Identifier: MIT */
/*
 * who: which partition reaches whom, by what. Nothing is taken from the configuration: second-level
 * tables are walked leaf by leaf, bitmaps and controls are read back from the backend.
 *
 * That no memory is shared but that of channels is shown in two steps. Every leaf is in a block of
 * that partition's own RAM, at the place that the block has, or is its channel's; and no block
 * overlaps another partition's or anything that the hypervisor has mapped, but a channel itself.
 * What breaks either is a row that is not allowed, and the command fails.
 */
#include "command.h"
#include "internal.h"
#include "nets.h"
#include "report.h"

#include <bulkhead/channel.h>
#include <bulkhead/format.h>
#include <bulkhead/memory.h>
#include <bulkhead/net_switch.h>
#include <bulkhead/partition.h>
#include <bulkhead/string.h>
#include <bulkhead/virt.h>

#define DETAIL_BYTES  480
#define PAGES_MAX     4	 /* of the hypervisor's that hardware needs in a guest's tables */
#define ROWS_MAX      64 /* of memory that is not as it should be; the rest is counted */
#define EXTENTS_SPARE 64
#define SLOT_IMAGE    0xffffff8000000000UL

/* Host-physical memory and who has it. */
struct extent {
	u64 first, last;
	const struct partition *owner; /* NULL: the hypervisor */
	bool granted;		       /* the hypervisor's, but this partition's hardware uses it */
	const struct channel_port *channel; /* of which it is the memory; NULL: of none */
};

/* Filled in two passes: without a list they are counted. */
struct extents {
	struct extent *list;
	u32 room, count;    /* what has no room is only counted */
	struct extent next; /* may still grow */
	bool pending;
};

struct range {
	u64 first, last;
};

/* What hardware lets one partition do, by vcpu_grants. */
struct grants {
	u64 tables;
	bool has_tables;
	struct range pages[PAGES_MAX];
	u32 page_count, pages_left_out;
	char page_text[DETAIL_BYTES], ports[DETAIL_BYTES], msrs[DETAIL_BYTES];
	char interrupts[DETAIL_BYTES];
};

static u32 findings, rows, meetings;

/* --- rows --- */

static void row(const struct partition *partition, const char *with, const char *by, bool allowed,
		const char *detail)
{
	cell_text("%s", partition->config->name);
	cell_text("%s", with);
	cell_text("%s", by);
	cell_flag(allowed);
	cell_text("%s", detail);
	findings += !allowed;
}

/* Of memory, of which there may be too many. */
static void finding(const struct partition *partition, const char *with, const char *detail)
{
	if (rows++ < ROWS_MAX)
		row(partition, with, "memory", false, detail);
	else
		findings++;
}

/* --- extents --- */

static void extent_flush(struct extents *extents)
{
	if (!extents->pending)
		return;
	if (extents->count < extents->room)
		extents->list[extents->count] = extents->next;
	extents->count++;
	extents->pending = false;
}

/* Blocks often come in falling order of physical address. */
static bool extent_grow(struct extent *extent, const struct extent *more)
{
	if (extent->owner != more->owner || extent->granted != more->granted ||
	    extent->channel != more->channel)
		return false;
	if (more->first == extent->last + 1)
		extent->last = more->last;
	else if (more->last + 1 == extent->first)
		extent->first = more->first;
	else
		return false;
	return true;
}

static void extent_take(struct extents *extents, const struct extent *extent)
{
	if (extents->pending && extent_grow(&extents->next, extent))
		return;
	extent_flush(extents);
	extents->next = *extent;
	extents->pending = true;
}

static void extent_add(struct extents *extents, const struct partition *owner, u64 first, u64 bytes,
		       bool granted)
{
	const struct extent extent = {first, first + bytes - 1, owner, granted, NULL};

	extent_take(extents, &extent);
}

static void extent_add_channel(struct extents *extents, const struct partition *owner)
{
	u64 first = channel_physical(owner->channel);
	const struct extent extent = {first, first + channel_bytes(owner->channel) - 1, owner,
				      false, owner->channel};

	extent_take(extents, &extent);
}

static void sift_down(struct extent *list, u32 at, u32 count)
{
	for (;;) {
		u32 child = 2 * at + 1;
		struct extent swap = list[at];

		if (child + 1 < count && list[child + 1].first > list[child].first)
			child++;
		if (child >= count || list[child].first <= swap.first)
			return;
		list[at] = list[child];
		list[child] = swap;
		at = child;
	}
}

/* By heap sort: no memory, no bad cases. */
static void extents_sort(struct extent *list, u32 count)
{
	for (u32 i = count / 2; i-- > 0;)
		sift_down(list, i, count);
	for (u32 i = count; i-- > 1;) {
		struct extent swap = list[0];

		list[0] = list[i];
		list[i] = swap;
		sift_down(list, 0, i);
	}
}

static const char *owner_name(const struct partition *owner)
{
	return owner ? owner->config->name : "hypervisor";
}

static bool overlap_allowed(const struct extent *a, const struct extent *b)
{
	return a->owner == b->owner || (!a->owner && b->granted) || (!b->owner && a->granted) ||
	       channel_same(a->channel, b->channel);
}

static void overlap_show(const struct extent *a, const struct extent *b)
{
	const struct extent *guest = a->owner ? a : b, *other = a->owner ? b : a;
	char detail[DETAIL_BYTES];

	format_text(detail, sizeof(detail), "both have host-physical 0x%lx to 0x%lx",
		    MAX(a->first, b->first), MIN(a->last, b->last));
	finding(guest->owner, owner_name(other->owner), detail);
}

/* `list` is in order. */
static void overlaps_show(const struct extent *list, u32 count)
{
	for (u32 i = 0; i < count && !console_cancelled(); i++)
		for (u32 j = i + 1; j < count && list[j].first <= list[i].last; j++)
			if (!overlap_allowed(&list[i], &list[j]))
				overlap_show(&list[i], &list[j]);
}

/* --- one partition's memory --- */

/* Is host-physical [physical, physical + bytes) what this partition has at `gpa`? */
static bool is_own_ram(const struct partition *partition, u64 gpa, u64 physical, u64 bytes)
{
	const struct ram_block *block = ram_block_at(partition->ram, partition->ram_count, gpa);

	return block && bytes <= (PAGE_SIZE << block->order) - (gpa - block->gpa) &&
	       physical == block->physical + (gpa - block->gpa);
}

/* Likewise of its channel's memory. */
static bool is_channel(const struct partition *partition, u64 gpa, u64 physical, u64 bytes)
{
	const struct channel_port *channel = partition->channel;
	u64 offset = gpa - CHANNEL_GPA;

	return channel && offset < channel_bytes(channel) &&
	       bytes <= channel_bytes(channel) - offset &&
	       physical == channel_physical(channel) + offset;
}

static bool is_granted(const struct grants *grants, const struct page_table_leaf *leaf)
{
	for (u32 i = 0; i < grants->page_count; i++)
		if (leaf->physical >= grants->pages[i].first &&
		    leaf->physical + leaf->bytes - 1 <= grants->pages[i].last)
			return true;
	return false;
}

struct memory_sum {
	u64 leaves, bytes, foreign, granted, channel;
};

static void leaf_foreign(const struct partition *partition, const char *what,
			 const struct page_table_leaf *leaf)
{
	char detail[DETAIL_BYTES];

	format_text(detail, sizeof(detail),
		    "%s 0x%lx is host-physical 0x%lx, 0x%lx bytes, not its own RAM there", what,
		    leaf->address, leaf->physical, leaf->bytes);
	finding(partition, "machine", detail);
}

/* All leaves of the guest's tables. `show`: say which are wrong; they are in `extents` anyway. */
static void guest_leaves(const struct partition *partition, const struct grants *grants,
			 struct extents *extents, bool show, struct memory_sum *sum)
{
	struct page_table_leaf leaf = {.bytes = 0};

	while (page_table_next(&partition->second_level, &leaf) == 0) {
		sum->leaves++;
		if (is_own_ram(partition, leaf.address, leaf.physical, leaf.bytes)) {
			sum->bytes += leaf.bytes;
			continue;
		}
		if (is_channel(partition, leaf.address, leaf.physical, leaf.bytes)) {
			sum->channel++;
			continue;
		}
		if (is_granted(grants, &leaf)) {
			sum->granted++;
			extent_add(extents, partition, leaf.physical, leaf.bytes, true);
			continue;
		}
		sum->foreign++;
		extent_add(extents, partition, leaf.physical, leaf.bytes, false);
		if (show)
			leaf_foreign(partition, "guest-physical", &leaf);
	}
}

/* Through which the hypervisor reaches this partition while it works for it. */
static void window_leaves(const struct partition *partition, struct memory_sum *sum)
{
	struct page_table_leaf leaf = {.address = MEMORY_GUEST};

	while (page_table_next(&partition->space.table, &leaf) == 0 &&
	       leaf.address < MEMORY_FILES) {
		if (is_own_ram(partition, leaf.address - MEMORY_GUEST, leaf.physical, leaf.bytes) ||
		    is_channel(partition, leaf.address - MEMORY_GUEST, leaf.physical, leaf.bytes))
			continue;
		sum->foreign++;
		leaf_foreign(partition, "the hypervisor's window at", &leaf);
	}
}

/* --- what the hypervisor has --- */

static void hypervisor_leaves(const struct partition *any, struct extents *extents, u64 from,
			      u64 end)
{
	struct page_table_leaf leaf = {.address = from};

	while (page_table_next(&any->space.table, &leaf) == 0 && (!end || leaf.address < end))
		extent_add(extents, NULL, leaf.physical, leaf.bytes, false);
}

/* --- grants --- */

static void range_append(char *text, const struct virt_grant *grant, bool rights)
{
	const char *gap = text[0] ? ", " : "";
	char last[24] = "";

	if (grant->last != grant->first)
		format_text(last, sizeof(last), "-0x%lx", grant->last);
	/* What would be cut is said to go on. */
	if (strlen(text) + 64 > DETAIL_BYTES) {
		if (strlen(text) < 3 || strcmp(text + strlen(text) - 3, "...") != 0)
			format_append(text, DETAIL_BYTES, "%s...", gap);
		return;
	}
	format_append(text, DETAIL_BYTES, "%s0x%lx%s", gap, grant->first, last);
	if (rights)
		format_append(text, DETAIL_BYTES, " %s%s", grant->read ? "r" : "",
			      grant->write ? "w" : "");
}

static void grant_take(void *context, const struct virt_grant *grant)
{
	struct grants *grants = context;

	switch (grant->kind) {
	case VIRT_GRANT_TABLES:
		grants->tables = grant->first;
		grants->has_tables = true;
		break;
	case VIRT_GRANT_PAGES:
		if (grants->page_count == PAGES_MAX) {
			grants->pages_left_out++;
			break;
		}
		grants->pages[grants->page_count++] = (struct range){grant->first, grant->last};
		format_text(grants->page_text, sizeof(grants->page_text), "%s", grant->what);
		break;
	case VIRT_GRANT_PORTS:
		range_append(grants->ports, grant, false);
		break;
	case VIRT_GRANT_MSRS:
		range_append(grants->msrs, grant, true);
		break;
	case VIRT_GRANT_INTERRUPT:
		format_text(grants->interrupts, sizeof(grants->interrupts), "%s", grant->what);
		break;
	}
}

static void grants_find(const struct partition *partition, struct grants *grants)
{
	*grants = (struct grants){.page_count = 0};
	virt->vcpu_grants(partition->vcpus[0], grant_take, grants);
	/* All have the same, but for MSRs: one with its local APIC in x2APIC mode has more. */
	for (u32 i = 1; i < partition->vcpu_count; i++) {
		static struct grants other;

		other = (struct grants){.page_count = 0};
		virt->vcpu_grants(partition->vcpus[i], grant_take, &other);
		if (strlen(other.msrs) > strlen(grants->msrs))
			memcpy(grants->msrs, other.msrs, sizeof(grants->msrs));
	}
}

static void ports_row(const struct partition *partition, const struct grants *grants)
{
	char detail[DETAIL_BYTES + 32];

	if (!grants->ports[0]) {
		row(partition, "nobody", "ports", true, "none passes, devices of its own answer");
		return;
	}
	format_text(detail, sizeof(detail), "these are the machine's: %s", grants->ports);
	row(partition, "machine", "ports", false, detail);
}

static void msrs_row(const struct partition *partition, const struct grants *grants)
{
	row(partition, "nobody", "MSRs", true,
	    grants->msrs[0] ? grants->msrs : "none passes without an exit");
}

static void interrupts_row(const struct partition *partition, const struct grants *grants)
{
	if (grants->interrupts[0])
		row(partition, "machine", "interrupts", false, grants->interrupts);
	else
		row(partition, "nobody", "interrupts", true, "none of the machine's, its own only");
}

/* Does the CPU walk the tables that were walked here? */
static void tables_row(const struct partition *partition, const struct grants *grants)
{
	u64 own = memory_physical(partition->second_level.root);
	char detail[DETAIL_BYTES];

	if (grants->has_tables && grants->tables == own)
		return;
	format_text(detail, sizeof(detail), "its CPU walks tables at 0x%lx, its own are at 0x%lx",
		    grants->tables, own);
	row(partition, "machine", "tables", false, detail);
}

static void devices_row(const struct partition *partition)
{
	for (const struct partition *other = partition_first(); other; other = other->next)
		if (other != partition && other->pc == partition->pc)
			row(partition, other->config->name, "devices", false,
			    "both have the same board");
}

/* --- networks --- */

/* Whose port it is; NULL: nobody's. */
static const struct partition *port_owner(const struct net_port *port)
{
	for (const struct partition *p = partition_first(); p; p = p->next)
		for (u32 i = 0; i < p->net_count; i++)
			if (p->nets[i] == port)
				return p;
	return NULL;
}

static void meeting_row(const struct partition *partition, struct net_port *own,
			struct net_port *other)
{
	const struct partition *with = port_owner(other);
	char by[sizeof("network ") + NET_NAME_BYTES], detail[DETAIL_BYTES];
	char from[MAC_TEXT_BYTES], to[MAC_TEXT_BYTES];
	struct net_port_view view, other_view;

	net_port_look(own, &view);
	net_port_look(other, &other_view);
	format_text(by, sizeof(by), "network %s", net_name(net_port_net(own)));
	format_text(detail, sizeof(detail), "frames between %s and %s, copied",
		    mac_text(view.mac, from), mac_text(other_view.mac, to));
	row(partition, owner_name(with), by, with, detail);
	meetings++;
}

/* Whom its cards' frames can reach, as the switch has it. */
static void network_rows(const struct partition *partition)
{
	for (u32 i = 0; i < partition->net_count; i++) {
		struct net_port *other;
		u32 at = 0;

		while ((other = net_port_next(net_port_net(partition->nets[i]), &at)))
			if (other != partition->nets[i])
				meeting_row(partition, partition->nets[i], other);
	}
}

/* Whom it has memory in common with. */
static void channel_rows(const struct partition *partition)
{
	for (const struct partition *p = partition_first(); p; p = p->next) {
		char by[sizeof("channel ") + CONFIG_NAME_BYTES], detail[DETAIL_BYTES];

		if (p == partition || !channel_same(p->channel, partition->channel))
			continue;
		format_text(by, sizeof(by), "channel %s", channel_name(partition->channel));
		format_text(detail, sizeof(detail),
			    "%lu KiB of memory at guest-physical 0x%lx, and doorbells",
			    channel_bytes(partition->channel) / KIB, CHANNEL_GPA);
		row(partition, p->config->name, by, true, detail);
		meetings++;
	}
}

static void console_row(const struct partition *partition)
{
	char detail[DETAIL_BYTES];

	format_text(detail, sizeof(detail), "its serial line, the last %lu KiB of it are kept",
		    PARTITION_CONSOLE_BYTES / KIB);
	row(partition, "operator", "console", true, detail);
}

static void memory_row(const struct partition *partition, const struct grants *grants,
		       const struct memory_sum *sum)
{
	char detail[DETAIL_BYTES];

	if (!sum->foreign) {
		format_text(detail, sizeof(detail), "%lu KiB in %lu mappings, all its own RAM",
			    sum->bytes / KIB, sum->leaves - sum->granted - sum->channel);
		row(partition, "nobody", "memory", true, detail);
	}
	if (sum->granted)
		row(partition, "CPU", "memory", true, grants->page_text);
}

/* --- the command --- */

/* Everything that anybody has. */
static void extents_find(struct extents *extents, bool show)
{
	const struct partition *partition = partition_first();

	extents->count = 0;
	hypervisor_leaves(partition, extents, MEMORY_DIRECT, MEMORY_GUEST);
	hypervisor_leaves(partition, extents, SLOT_IMAGE, 0);
	for (; partition; partition = partition->next) {
		static struct grants grants;
		struct memory_sum sum = {.leaves = 0};

		for (u32 i = 0; i < partition->ram_count; i++)
			extent_add(extents, partition, partition->ram[i].physical,
				   PAGE_SIZE << partition->ram[i].order, false);
		if (partition->channel)
			extent_add_channel(extents, partition);
		grants_find(partition, &grants);
		guest_leaves(partition, &grants, extents, show, &sum);
		if (!show)
			continue;
		window_leaves(partition, &sum);
		console_row(partition);
		memory_row(partition, &grants, &sum);
		tables_row(partition, &grants);
		ports_row(partition, &grants);
		msrs_row(partition, &grants);
		interrupts_row(partition, &grants);
		devices_row(partition);
		network_rows(partition);
		channel_rows(partition);
	}
	extent_flush(extents);
}

static void table_show(struct extents *extents)
{
	static const struct column columns[] = {
		{"partition", "PARTITION", false}, {"with", "WITH", false},	{"by", "BY", false},
		{"allowed", "ALLOWED", false},	   {"detail", "DETAIL", false},
	};

	findings = rows = meetings = 0;
	table_begin("channels", columns, ARRAY_SIZE(columns));
	extents_find(extents, true);
	extents_sort(extents->list, MIN(extents->count, extents->room));
	overlaps_show(extents->list, MIN(extents->count, extents->room));
	table_end();
}

static void verdict(const struct extents *extents)
{
	if (findings)
		report_error("isolation is broken, see what is not allowed: %u finding%s", findings,
			     findings == 1 ? "" : "s");
	else if (extents->count > extents->room)
		report_error("the hypervisor took more memory meanwhile, try again");
	else if (meetings)
		report_note("Partitions reach each other by the networks and channels above and by "
			    "nothing "
			    "else; "
			    "none reaches the hypervisor or the machine.");
	else
		report_note("No partition reaches another one, the hypervisor or the machine.");
}

void command_who(const struct command *command unused, u32 count unused,
		 char *const *arguments unused)
{
	struct extents extents = {.list = NULL};
	u64 bytes;

	if (!partition_first()) {
		report_note("there are no partitions");
		return;
	}
	extents_find(&extents, false);
	/* Taking memory, now or elsewhere, can give the hypervisor another range. */
	extents.room = extents.count + EXTENTS_SPARE;
	bytes = extents.room * sizeof(struct extent);
	extents.list = memory_take(MEMORY_OTHER, bytes);
	if (!extents.list) {
		report_error("no memory to compare %u ranges of memory", extents.count);
		return;
	}
	table_show(&extents);
	memory_give(MEMORY_OTHER, extents.list, bytes);
	verdict(&extents);
}
