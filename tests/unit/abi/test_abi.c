/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_abi.c: include/pvperf/abi.h is what it was when it was released.
 *
 *   test_abi FILE     compare every number of the ABI with the record in FILE
 *   test_abi --print  print the record
 *
 * Built for 64 and 32 bit; both must equal the same record. A guest's own
 * compiler checks the asserts of abi.h when it builds the driver. A structure
 * whose listed members do not add up to its size has hidden padding or a
 * member that is missing here: both fail.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pvperf/abi.h>

static int failures;

static void
fail(const char *what,
     const char *line)
{
    printf("%s: %s\n", what, line);
    failures++;
}

#define STRUCT(type, ...) \
    do { \
        const char *type_ = #type; \
        size_t sum = 0; \
        typedef struct type T; \
        fprintf(out, "struct %s size %zu\n", type_, sizeof(T)); \
        __VA_ARGS__ \
        if (sum != sizeof(T)) \
            fail("members do not add up to the size", type_); \
    } while (0)

#define M(member) \
    do { \
        size_t size_ = sizeof(((T *)NULL)->member); \
        fprintf(out, "%s.%s offset %zu size %zu\n", type_, #member, offsetof(T, member), size_); \
        if (offsetof(T, member) != sum) \
            fail("hidden padding before", #member); \
        sum += size_; \
    } while (0);

#define C(constant) fprintf(out, "%s %llu\n", #constant, (unsigned long long)(constant));

static void
printConstants(FILE *out)
{
    C(PVPERF_MAGIC) C(PVPERF_VERSION_MAJOR) C(PVPERF_VERSION_MINOR)
    C(KVM_FEATURE_PV_PERF) C(PVPERF_F_SAMPLING) C(PVPERF_F_FREE_RUNNING)
    C(KVM_PERF_OP) C(PVPERF_HELLO)
    C(KVM_PERF_OP_OPEN) C(KVM_PERF_OP_CLOSE) C(KVM_PERF_OP_ENABLE)
    C(KVM_PERF_OP_DISABLE) C(KVM_PERF_OP_READ)
    C(PVPERF_LINE) C(PVPERF_MAX_VCPUS) C(PVPERF_VCPUS_PER_WORKER) C(PVPERF_MAX_IDS)
    C(PVPERF_NR_FRAMES) C(PVPERF_NR_PARAMS) C(PVPERF_NR_ROWS) C(PVPERF_NR_SAMPLES)
    C(PVPERF_MAX_GROUP)
    C(PVPERF_TYPE_VCPU)
    C(PVPERF_ATTR_EXCLUDE_USER) C(PVPERF_ATTR_EXCLUDE_KERNEL) C(PVPERF_ATTR_EXCLUDE_HV)
    C(PVPERF_ATTR_EXCLUDE_IDLE) C(PVPERF_ATTR_FREQ) C(PVPERF_ATTR_EXCLUDE_HOST)
    C(PVPERF_ATTR_EXCLUDE_GUEST) C(PVPERF_ATTR_FLAGS)
    C(PVPERF_SLOT_CLOSED) C(PVPERF_SLOT_COUNTING) C(PVPERF_SLOT_FINAL) C(PVPERF_SLOT_REFUSED)
    C(PVPERF_HOST_DOWN) C(PVPERF_HOST_UP) C(PVPERF_HOST_OFF)
    C(PVPERF_OPEN_NO_LEADER) C(PVPERF_OPEN_BOUND)
    C(PVPERF_OPEN_A3(3, 0, 5)) C(PVPERF_OPEN_A3(PVPERF_OPEN_NO_LEADER, 1, 1023))
    C(PVPERF_DOORBELL_REG) C(PVPERF_DOORBELL)
    C(PVPERF_WORKERS_OFFSET) C(PVPERF_AREAS_OFFSET) C(PVPERF_AREA_SIZE) C(PVPERF_SLOT_SIZE)
    C(PVPERF_AREA_OFFSET(0)) C(PVPERF_AREA_OFFSET(1024)) C(PVPERF_CONTROL_AREA(4))
    C(PVPERF_SLOTS_OFFSET(1)) C(PVPERF_SLOTS_OFFSET(1024))
    C(PVPERF_SLOT_OFFSET(4, 3, 2)) C(PVPERF_SLOT_OFFSET(1024, 1023, 1023))
}

static void
printTables(FILE *out)
{
#define PRINT(constant, name, text) fprintf(out, "%s %d \"%s\"\n", #constant, constant, name);
    PVPERF_CLASSES(PRINT)
    PVPERF_VCPU_EVENTS(PRINT)
    PVPERF_REASONS(PRINT)
#undef PRINT
}

static void
printStructures(FILE *out)
{
    STRUCT(guest_perf_attr,
           M(type) M(pad0) M(config) M(sample_period) M(sample_type) M(read_format) M(flags)
           M(bp_type) M(pad1) M(bp_addr) M(bp_len));
    STRUCT(guest_perf_event,
           M(count) M(overflows) M(seq) M(time_enabled) M(time_lost) M(period_sum) M(state)
           M(error) M(throttles) M(pad0) M(reserved));
    STRUCT(guest_perf_event_param, M(attr_addr) M(guest_event_addr) M(id) M(pad0));
    STRUCT(pvperf_identity,
           M(magic) M(version_major) M(version_minor) M(features) M(window_size) M(nr_vcpus)
           M(pad0) M(reserved));
    STRUCT(pvperf_session, M(session) M(state) M(pad0) M(reserved));
    STRUCT(pvperf_policy_line,
           M(seq) M(classes_allowed) M(classes_available) M(max) M(open) M(per_vcpu) M(refusals)
           M(last_refusal) M(last_refusal_limit) M(min_period) M(reserved));
    STRUCT(pvperf_header, M(identity) M(session) M(policy));
    STRUCT(pvperf_worker_line, M(heartbeat) M(need_kick) M(pad0) M(reserved));
    STRUCT(pvperf_submit_line, M(submitted) M(nmi_handled) M(reserved));
    STRUCT(pvperf_complete_line,
           M(completed) M(nmi_sent) M(samples_head) M(pad0) M(reserved));
    STRUCT(pvperf_frame,
           M(nr) M(pad0) M(session) M(a0) M(a1) M(a2) M(a3) M(reserved));
    STRUCT(pvperf_result, M(ret) M(reason) M(limit));
    STRUCT(pvperf_param, M(param) M(attr) M(reserved));
    STRUCT(pvperf_sample, M(ip) M(id) M(mode) M(period_sum) M(overflows) M(pad0));
    STRUCT(pvperf_area,
           M(submit) M(complete) M(reserved) M(results) M(params) M(frames) M(samples));
}

/* Sizes as ranges of vCPUs; each checked on the way. */
static void
printWindows(FILE *out)
{
    __u32 first = 1;
    __u32 n;

    for (n = 1; n <= PVPERF_MAX_VCPUS; n++) {
        __u64 size = pvperf_window_size(n);
        __u64 used = PVPERF_WINDOW_USED(n);
        char what[64];

        snprintf(what, sizeof(what), "%u vCPUs", (unsigned int)n);
        if (size == 0 || (size & (size - 1)) != 0)
            fail("window size is not a power of two", what);
        if (used > size || used <= size / 2)
            fail("window size is not the next power of two", what);
        if (n > 1 && size < pvperf_window_size(n - 1))
            fail("window size falls", what);
        if (PVPERF_SLOT_OFFSET(n, PVPERF_NR_ROWS - 1, n - 1) + PVPERF_SLOT_SIZE > size)
            fail("the last slot lies outside", what);
        if (n == PVPERF_MAX_VCPUS || pvperf_window_size(n + 1) != size) {
            fprintf(out, "pvperf_window_size(%u..%u) %llu\n", (unsigned int)first,
                    (unsigned int)n, (unsigned long long)size);
            first = n + 1;
        }
    }
    if (pvperf_window_size(0) != 0 || pvperf_window_size(PVPERF_MAX_VCPUS + 1) != 0 ||
        pvperf_window_size(0xffffffffU) != 0)
        fail("window size of an impossible device", "is not 0");
}

static void
printAll(FILE *out)
{
    printConstants(out);
    printTables(out);
    printStructures(out);
    printWindows(out);
}

/* Whether a line, which ends with '\n', is one of text. */
static int
hasLine(const char *text,
        const char *line,
        size_t length)
{
    const char *p;

    for (p = text; *p; p = strchr(p, '\n') + 1) {
        if (strncmp(p, line, length) == 0)
            return 1;
        if (!strchr(p, '\n'))
            break;
    }
    return 0;
}

/* Complains of each line of text that is not in other. */
static void
compare(const char *text,
        const char *other,
        const char *complaint)
{
    const char *p = text;
    const char *end;

    for (; (end = strchr(p, '\n')); p = end + 1) {
        size_t length = (size_t)(end - p) + 1;
        char line[160];

        if (*p == '#' || hasLine(other, p, length))
            continue;
        snprintf(line, sizeof(line), "%.*s", (int)length - 1, p);
        fail(complaint, line);
    }
}

static char *
readFile(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    size_t n;

    if (!file || !text) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    n = fread(text, 1, (1 << 20) - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

int
main(int argc,
     char **argv)
{
    char *record;
    char *now = NULL;
    size_t size;
    FILE *out;

    if (argc != 2) {
        fprintf(stderr, "Usage: test_abi FILE | --print\n");
        return 2;
    }
    if (strcmp(argv[1], "--print") == 0) {
        printAll(stdout);
        return failures ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    out = open_memstream(&now, &size);
    if (!out) {
        perror("open_memstream");
        return EXIT_FAILURE;
    }
    printAll(out);
    fclose(out);
    record = readFile(argv[1]);
    compare(record, now, "released, and now changed or gone");
    compare(now, record, "not in the record (test_abi --print writes it)");
    free(record);
    free(now);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
