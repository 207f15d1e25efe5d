// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/bus/event_source/devices/{cpu,pvperf}/.
 *
 *   format/, events/   as every PMU has them, for perf and its like;
 *   host/              what the host says of itself and allows, for people
 *                      who have no access to the host.
 *
 * Neither PMU has a cpumask: their events follow tasks and CPUs like those of
 * a core's own PMU.
 */
#include <linux/perf_event.h>
#include <linux/sysfs.h>

#include "pvperf_ids.h"
#include "pvperf_nmi.h"
#include "pvperf_pmu.h"
#include "pvperf_sample.h"
#include "pvperf_x86.h"

/* ---- host/ ------------------------------------------------------------------------ */

/* False: no host serves this guest now; channel says whether there is a device. */
static bool header_copy(struct pvperf_header *header, bool *device, bool *foreign)
{
	struct pvperf_channel *ch;

	memset(header, 0, sizeof(*header));
	rcu_read_lock();
	ch = rcu_dereference(pvperf_channel);
	*device = ch;
	*foreign = ch && ch->foreign;
	if (ch)
		ch->ops->header(ch, header);
	rcu_read_unlock();
	return ch && !*foreign && header->session.session;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct pvperf_header header;
	bool device, foreign;
	bool serves = header_copy(&header, &device, &foreign);

	if (!device)
		return sysfs_emit(page, "absent\n");
	if (foreign)
		return sysfs_emit(page, "version host %u.%u driver %u.%u\n",
				  header.identity.version_major, header.identity.version_minor,
				  PVPERF_VERSION_MAJOR, PVPERF_VERSION_MINOR);
	if (!serves || header.session.state == PVPERF_HOST_DOWN)
		return sysfs_emit(page, "down\n");
	return sysfs_emit(page, header.session.state == PVPERF_HOST_OFF ? "off\n" : "up\n");
}

#define PVPERF_CLASS(constant, name, text) name,
static const char * const class_names[PVPERF_NR_CLASSES] = { PVPERF_CLASSES(PVPERF_CLASS) };
#undef PVPERF_CLASS

static ssize_t classes_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct pvperf_header header;
	bool device, foreign;
	unsigned int i;
	int len = 0;

	if (!header_copy(&header, &device, &foreign))
		return 0;
	for (i = 0; i < ARRAY_SIZE(class_names); i++) {
		const char *state = "yes";

		if (!(header.policy.classes_allowed & 1U << i))
			state = "denied";
		else if (!(header.policy.classes_available & 1U << i))
			state = "unavailable";
		len += sysfs_emit_at(page, len, "%s %s\n", class_names[i], state);
	}
	return len;
}

#define PVPERF_HOST_NUMBER(name)							\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *page) \
{											\
	struct pvperf_header header;							\
	bool device, foreign;								\
											\
	if (!header_copy(&header, &device, &foreign))					\
		return 0;								\
	return sysfs_emit(page, "%u\n", header.policy.name);				\
}											\
static DEVICE_ATTR_RO(name)

PVPERF_HOST_NUMBER(max);
PVPERF_HOST_NUMBER(open);
PVPERF_HOST_NUMBER(per_vcpu);

static ssize_t last_refusal_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct pvperf_refusal refusal;

	pvperf_ids_last_refusal(&refusal);
	if (!refusal.text)
		return sysfs_emit(page, "none\n");
	if (refusal.limit)
		return sysfs_emit(page, "%s %llu: %s\n", refusal.name, refusal.limit, refusal.text);
	return sysfs_emit(page, "%s: %s\n", refusal.name, refusal.text);
}

/* How overflows arrive. */
static ssize_t delivery_show(struct device *dev, struct device_attribute *attr, char *page)
{
	return sysfs_emit(page, "%s\n", pvperf_delivery_name());
}

/* What became of the overflows that the host reported. */
static ssize_t samples_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct pvperf_sample_stats sum;

	pvperf_sample_stats_sum(&sum);
	return sysfs_emit(page, "written %llu\ncoalesced %llu\nthrottled %llu\nfiltered %llu\nlost %llu\n",
			  sum.written, sum.coalesced, sum.throttled, sum.filtered, sum.lost);
}

static DEVICE_ATTR_RO(delivery);
static DEVICE_ATTR_RO(samples);
static DEVICE_ATTR_RO(state);
static DEVICE_ATTR_RO(classes);
static DEVICE_ATTR_RO(last_refusal);

static struct attribute *host_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_classes.attr,
	&dev_attr_max.attr,
	&dev_attr_per_vcpu.attr,
	&dev_attr_open.attr,
	&dev_attr_last_refusal.attr,
	&dev_attr_delivery.attr,
	&dev_attr_samples.attr,
	NULL
};

static const struct attribute_group host_group = {
	.name	= "host",
	.attrs	= host_attrs,
};

/* ---- cpu/format, cpu/events ---------------------------------------------------------- */

PMU_FORMAT_ATTR(event, "config:0-7");
PMU_FORMAT_ATTR(umask, "config:8-15");
PMU_FORMAT_ATTR(edge, "config:18");
PMU_FORMAT_ATTR(inv, "config:23");
PMU_FORMAT_ATTR(cmask, "config:24-31");

static struct attribute *cpu_format_attrs[] = {
	&format_attr_event.attr,
	&format_attr_umask.attr,
	&format_attr_edge.attr,
	&format_attr_inv.attr,
	&format_attr_cmask.attr,
	NULL
};

static const struct attribute_group cpu_format_group = {
	.name	= "format",
	.attrs	= cpu_format_attrs,
};

static const struct pvperf_alias *alias_of(u64 hw)
{
	const struct pvperf_alias *alias;

	for (alias = pvperf_aliases(); alias->name; alias++)
		if (alias->hw == hw)
			return alias;
	return NULL;
}

static ssize_t alias_show(struct device *dev, struct device_attribute *attr, char *page)
{
	const struct perf_pmu_events_attr *event =
		container_of(attr, struct perf_pmu_events_attr, attr);
	const struct pvperf_alias *alias = alias_of(event->id);

	if (!alias)
		return -ENOENT;
	if (alias->raw >> 8)
		return sysfs_emit(page, "event=0x%02x,umask=0x%02x\n",
				  alias->raw & 0xff, alias->raw >> 8);
	return sysfs_emit(page, "event=0x%02x\n", alias->raw & 0xff);
}

static umode_t alias_is_visible(struct kobject *kobj, struct attribute *attr, int index)
{
	const struct perf_pmu_events_attr *event =
		container_of(attr, struct perf_pmu_events_attr, attr.attr);

	return alias_of(event->id) ? attr->mode : 0;
}

PMU_EVENT_ATTR(cpu-cycles, cycles_attr, PERF_COUNT_HW_CPU_CYCLES, alias_show);
PMU_EVENT_ATTR(instructions, instructions_attr, PERF_COUNT_HW_INSTRUCTIONS, alias_show);
PMU_EVENT_ATTR(ref-cycles, ref_cycles_attr, PERF_COUNT_HW_REF_CPU_CYCLES, alias_show);
PMU_EVENT_ATTR(branch-instructions, branches_attr, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, alias_show);
PMU_EVENT_ATTR(branch-misses, branch_misses_attr, PERF_COUNT_HW_BRANCH_MISSES, alias_show);
PMU_EVENT_ATTR(cache-references, cache_refs_attr, PERF_COUNT_HW_CACHE_REFERENCES, alias_show);
PMU_EVENT_ATTR(cache-misses, cache_misses_attr, PERF_COUNT_HW_CACHE_MISSES, alias_show);

static struct attribute *cpu_event_attrs[] = {
	&cycles_attr.attr.attr,
	&instructions_attr.attr.attr,
	&ref_cycles_attr.attr.attr,
	&branches_attr.attr.attr,
	&branch_misses_attr.attr.attr,
	&cache_refs_attr.attr.attr,
	&cache_misses_attr.attr.attr,
	NULL
};

static const struct attribute_group cpu_events_group = {
	.name		= "events",
	.attrs		= cpu_event_attrs,
	.is_visible	= alias_is_visible,
};

const struct attribute_group *pvperf_cpu_groups[] = {
	&cpu_format_group,
	&cpu_events_group,
	&host_group,
	NULL
};

/* ---- pvperf/format, pvperf/events ------------------------------------------------------- */

static struct attribute *vcpu_format_attrs[] = {
	&format_attr_event.attr,
	NULL
};

static const struct attribute_group vcpu_format_group = {
	.name	= "format",
	.attrs	= vcpu_format_attrs,
};

static ssize_t vcpu_event_show(struct device *dev, struct device_attribute *attr, char *page)
{
	const struct perf_pmu_events_attr *event =
		container_of(attr, struct perf_pmu_events_attr, attr);

	return sysfs_emit(page, "event=0x%02llx\n", event->id);
}

PMU_EVENT_ATTR(vcpu-clock, clock_attr, PVPERF_VCPU_CLOCK, vcpu_event_show);
PMU_EVENT_ATTR_STRING(vcpu-clock.unit, clock_unit_attr, "ns");
PMU_EVENT_ATTR_STRING(vcpu-clock.scale, clock_scale_attr, "1");
PMU_EVENT_ATTR(vcpu-switches, switches_attr, PVPERF_VCPU_SWITCHES, vcpu_event_show);
PMU_EVENT_ATTR(vcpu-migrations, migrations_attr, PVPERF_VCPU_MIGRATIONS, vcpu_event_show);

static struct attribute *vcpu_event_attrs[] = {
	&clock_attr.attr.attr,
	&clock_unit_attr.attr.attr,
	&clock_scale_attr.attr.attr,
	&switches_attr.attr.attr,
	&migrations_attr.attr.attr,
	NULL
};

static const struct attribute_group vcpu_events_group = {
	.name	= "events",
	.attrs	= vcpu_event_attrs,
};

const struct attribute_group *pvperf_vcpu_groups[] = {
	&vcpu_format_group,
	&vcpu_events_group,
	&host_group,
	NULL
};

static_assert(PVPERF_NR_VCPU_EVENTS == 3, "each event of the vcpu class has its entry above");
