/* SPDX-License-Identifier: MIT */
/* bulkhead-check: say what a configuration file configures, or everything that is wrong with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bulkhead/config.h>

#include "vmm/config_value.h"

#define PARTITION_ROOM 256
#define GROUP_ROOM     256
#define ERROR_ROOM     1000

enum { EXIT_GOOD, EXIT_ERRORS, EXIT_MISUSE };

struct options {
	const char *file;
	const char *memory; /* as written; NULL: do not check the fit */
	u64 memory_bytes;
};

static const char usage[] =
	"usage: bulkhead-check [--memory SIZE] FILE\n"
	"Check a configuration file of Bulkhead before it is used.\n"
	"  --memory SIZE  also check that the partitions fit into a machine with\n"
	"                 SIZE of memory free, such as 3500M or 16G\n"
	"Exits 0 when the file is good, 1 when it has errors, 2 on misuse or when\n"
	"the file cannot be read.\n";

static int options_read(struct options *options, int count, char **words)
{
	for (int i = 1; i < count; i++) {
		if (strcmp(words[i], "--memory") == 0 && i + 1 < count)
			options->memory = words[++i];
		else if (words[i][0] == '-' || options->file)
			return -EINVAL;
		else
			options->file = words[i];
	}
	if (options->memory &&
	    config_size_read(slice_of(options->memory), &options->memory_bytes)) {
		fprintf(stderr, "bulkhead-check: --memory %s is not a size such as 512M\n",
			options->memory);
		return -EINVAL;
	}
	return options->file ? 0 : -EINVAL;
}

/* Read all of `file`; the caller frees. NULL, with errno set, when that is not possible. */
static char *file_read(const char *file, size_t *bytes)
{
	FILE *stream = fopen(file, "rb");
	size_t room = 4096, got;
	char *text = malloc(room), *larger;

	*bytes = 0;
	while (stream && text && (got = fread(text + *bytes, 1, room - *bytes, stream)) > 0) {
		*bytes += got;
		if (*bytes < room)
			continue;
		room *= 2;
		larger = realloc(text, room);
		if (!larger)
			free(text);
		text = larger;
	}
	if (!stream || ferror(stream)) {
		free(text);
		text = NULL;
	}
	if (stream)
		fclose(stream);
	return text;
}

static int errors_print(const struct config *config, const char *file)
{
	u32 shown = MIN(config->error_count, config->error_room);
	char text[8192];

	for (u32 i = 0; i < shown; i++) {
		config_error_text(&config->errors[i], file, text, sizeof(text));
		fputs(text, stderr);
	}
	if (config->error_count > shown)
		fprintf(stderr, "%s: %u more errors are not shown\n", file,
			config->error_count - shown);
	fprintf(stderr, "%s: %u error%s\n", file, config->error_count,
		config->error_count == 1 ? "" : "s");
	return EXIT_ERRORS;
}

static void host_print(const struct config_host *host)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};

	printf("host: console %s", config_console_names[host->console]);
	if (host->console != CONFIG_CONSOLE_NONE)
		printf(" at %u baud", host->console_baud);
	if (host->cpus)
		printf(", at most %u CPU%s", host->cpus, host->cpus == 1 ? "" : "s");
	else
		printf(", all CPUs");
	printf(", log level %s\n", levels[host->log_level]);
}

/* How a group or a partition shares CPUs. */
static void share_print(u32 weight, u32 cap)
{
	if (weight)
		printf("weight %u", weight);
	if (cap)
		printf("%sat most %u%% of a CPU", weight ? ", " : "", cap);
}

static void group_print(const struct config_group *group)
{
	printf("\ngroup %s: ", group->name);
	share_print(group->weight, group->cap);
	putchar('\n');
}

static void claim_print(const struct scheduler_claim *claim)
{
	char budget[CONFIG_SIZE_BYTES], period[CONFIG_SIZE_BYTES];

	if (claim->kind == SCHEDULER_DEDICATED) {
		printf("  a CPU of its own");
		return;
	}
	printf("  ");
	if (claim->kind == SCHEDULER_RESERVED) {
		config_time_text(claim->budget_us, budget);
		config_time_text(claim->period_us, period);
		printf("%s of a CPU in every %s%s", budget, period,
		       claim->weight || claim->cap ? ", " : "");
	}
	share_print(claim->weight, claim->cap);
}

/* What the value of a key is, unless it is the default. */
static void key_print(const struct config_partition *partition, enum config_key_id id,
		      const char *words)
{
	const struct config_source source = {.partition = partition};
	char value[CPU_MAX * 5] = "";
	struct config_out out = {value, sizeof(value), 0};

	config_keys[id].write(&source, &out);
	if (out.length)
		printf("%s%s", words, value);
}

static void policy_print(const struct config_partition *partition)
{
	claim_print(&partition->claim);
	key_print(partition, CONFIG_KEY_GROUP, ", in group ");
	key_print(partition, CONFIG_KEY_AFFINITY, ", on CPUs ");
	key_print(partition, CONFIG_KEY_AFTER, "; starts after ");
	printf("\n  on power-off %s, on reset %s, on a crash %s\n",
	       config_action_name(partition->on_poweroff), config_action_name(partition->on_reset),
	       config_action_name(partition->on_crash));
}

static void partition_print(const struct config_partition *partition)
{
	char size[CONFIG_SIZE_BYTES], cmdline[CONFIG_CMDLINE_BYTES];

	config_size_text(partition->memory_bytes, size);
	printf("\npartition %s: %u virtual CPU%s, %s of memory, %s\n", partition->name,
	       partition->vcpus, partition->vcpus == 1 ? "" : "s", size,
	       partition->autostart ? "starts by itself" : "starts on command");
	printf("  %s %s", config_boot_names[partition->boot],
	       partition->kernel[0] ? partition->kernel : partition->firmware);
	if (partition->kernel[0] && partition->firmware[0])
		printf(" by firmware %s", partition->firmware);
	key_print(partition, CONFIG_KEY_BOOT_MENU, ", its menu waits ");
	if (partition->boot == CONFIG_BOOT_RAW)
		printf(" at 0x%lx, entered in %s mode", partition->load_address,
		       config_entry_names[partition->entry]);
	if (partition->variables[0])
		printf(", variables %s", partition->variables);
	if (partition->initrd[0])
		printf(", initrd %s", partition->initrd);
	key_print(partition, CONFIG_KEY_CLEAR_MEMORY, ", memory cleared ");
	if (partition->rng)
		printf(", entropy device");
	if (partition->virtio_console)
		printf(", virtio console");
	if (partition->balloon)
		printf(", memory balloon");
	putchar('\n');
	for (u32 i = 0; i < CONFIG_DISKS_MAX; i++)
		if (partition->disks[i].path[0])
			printf("  disk %s%s\n", partition->disks[i].path,
			       partition->disks[i].readonly ? ", read only" : "");
	for (u32 i = 0; i < CONFIG_NETS_MAX; i++) {
		key_print(partition, CONFIG_KEY_NET + i, "  in network ");
		if (partition->nets[i].network[0])
			putchar('\n');
	}
	key_print(partition, CONFIG_KEY_CHANNEL, "  in channel ");
	if (partition->channel.name[0])
		putchar('\n');
	for (u32 i = 0; i < partition->modules.count; i++) {
		const char *text = config_module_text(&partition->modules, i);

		printf("  module %s%s%s\n", config_module_file(&partition->modules, i),
		       *text ? " " : "", text);
	}
	if (partition->cmdline[0]) {
		slice_show(slice_of(partition->cmdline), cmdline, sizeof(cmdline));
		printf("  cmdline %s\n", cmdline);
	}
	printf("  sees %s%s", partition->cpu == CONFIG_CPU_HOST ? "the machine's CPU" : "a CPU of ",
	       partition->cpu == CONFIG_CPU_HOST ? "" : config_cpu_name(partition->cpu));
	puts(partition->hypervisor_leaves == CONFIG_LEAVES_NONE ? ", and no hypervisor" : "");
	policy_print(partition);
}

static int summary_print(const struct config *config, const struct options *options)
{
	char size[CONFIG_SIZE_BYTES];
	u32 starting = 0;
	u64 bytes = 0;

	printf("%s: no errors\n\n", options->file);
	host_print(&config->host);
	for (u32 i = 0; i < config->group_count; i++)
		group_print(&config->groups[i]);
	for (u32 i = 0; i < config->partition_count; i++) {
		const struct config_partition *partition = &config->partitions[i];

		partition_print(partition);
		starting += partition->autostart;
		bytes += partition->autostart ? partition->memory_bytes : 0;
	}
	config_size_text(bytes, size);
	printf("\n%u of %u partitions start by themselves, with %s of memory together", starting,
	       config->partition_count, size);
	if (options->memory)
		printf("; they fit into %s", options->memory);
	putchar('\n');
	return EXIT_GOOD;
}

int main(int count, char **words)
{
	static struct config_partition partitions[PARTITION_ROOM];
	static struct config_group groups[GROUP_ROOM];
	static struct config_error errors[ERROR_ROOM];
	struct config config = {.partitions = partitions,
				.partition_room = PARTITION_ROOM,
				.groups = groups,
				.group_room = GROUP_ROOM,
				.errors = errors,
				.error_room = ERROR_ROOM};
	struct options options = {0};
	size_t bytes;
	char *text;
	int wrong;

	if (count == 2 && strcmp(words[1], "--help") == 0) {
		fputs(usage, stdout);
		return EXIT_GOOD;
	}
	if (options_read(&options, count, words)) {
		fputs(usage, stderr);
		return EXIT_MISUSE;
	}
	text = file_read(options.file, &bytes);
	if (!text) {
		fprintf(stderr, "bulkhead-check: cannot read %s: %s\n", options.file,
			strerror(errno));
		return EXIT_MISUSE;
	}
	wrong = config_parse(&config, text, bytes);
	if (options.memory && config_check_memory(&config, options.memory_bytes))
		wrong = -EINVAL;
	free(text);
	return wrong ? errors_print(&config, options.file) : summary_print(&config, &options);
}
