/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_vectors.c: how many vectors a VMM's device has, from its arguments.
 *
 * The arguments are the peer's own words: a wrong number harms only the VM
 * that told it. They are what QEMU really made its device from, so they are
 * asked first. libvirt writes -device as JSON or, for an old QEMU, as
 * key=value; both are one flat list of members, which is all that is read.
 */
#include "pvperf_vectors.h"

#include <ctype.h>
#include <string.h>

#include <pvperf/abi.h>

#define PVPERF_ALIAS "ua-pvperf"
#define PVPERF_DEVICE "ivshmem-doorbell"
#define PVPERF_VALUE_MAX 64             /* longer values are none of ours */

/* One key and value of a -device or -smp argument. */
typedef struct {
    char key[PVPERF_VALUE_MAX];
    char value[PVPERF_VALUE_MAX];
} pvperfMember;

static uint32_t
pvperfVectorsParse(const char *text)
{
    uint32_t value = 0;

    if (!isdigit((unsigned char)*text))
        return 0;
    for (; isdigit((unsigned char)*text); text++) {
        value = value * 10 + (uint32_t)(*text - '0');
        if (value > PVPERF_MAX_VCPUS)
            value = PVPERF_MAX_VCPUS;
    }
    return *text == '\0' ? value : 0;
}

static void
pvperfMemberAppend(char *buffer,
                   size_t *length,
                   char c)
{
    if (*length + 1 < PVPERF_VALUE_MAX) {
        buffer[(*length)++] = c;
        buffer[*length] = '\0';
    }
}

static const char *
pvperfJsonString(const char *p,
                 char *out)
{
    size_t length = 0;

    out[0] = '\0';
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        pvperfMemberAppend(out, &length, *p);
    }
    return *p ? p + 1 : NULL;
}

/* Over a value that is an object or array; its content is of no interest. */
static const char *
pvperfJsonSkip(const char *p)
{
    char ignored[PVPERF_VALUE_MAX];
    unsigned int depth = 0;

    while (*p) {
        if (*p == '"') {
            p = pvperfJsonString(p, ignored);
            if (!p)
                return NULL;
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        if ((*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
        p++;
    }
    return NULL;
}

static const char *
pvperfJsonBlank(const char *p)
{
    while (*p && strchr(" \t\r\n,:", *p))
        p++;
    return p;
}

/* The next member of {"key":value,...}; NULL at the end or when malformed. */
static const char *
pvperfJsonNext(const char *p,
               pvperfMember *member)
{
    size_t length = 0;

    p = pvperfJsonBlank(*p == '{' ? p + 1 : p);
    if (*p != '"' || !(p = pvperfJsonString(p, member->key)))
        return NULL;
    p = pvperfJsonBlank(p);
    member->value[0] = '\0';
    if (*p == '"')
        return pvperfJsonString(p, member->value);
    if (*p == '{' || *p == '[')
        return pvperfJsonSkip(p);
    for (; *p && !strchr(",} \t\r\n", *p); p++)
        pvperfMemberAppend(member->value, &length, *p);
    return p;
}

/* The next member of first,key=value,...; a first one without '=' has key "". */
static const char *
pvperfOptsNext(const char *p,
               pvperfMember *member)
{
    size_t length = 0;

    if (*p == '\0')
        return NULL;
    member->key[0] = '\0';
    member->value[0] = '\0';
    for (; *p && (*p != ',' || p[1] == ','); p++) {
        if (*p == ',')
            p++;                /* ",," is a comma of the value */
        if (*p == '=' && member->key[0] == '\0') {
            memcpy(member->key, member->value, sizeof(member->key));
            member->value[0] = '\0';
            length = 0;
            continue;
        }
        pvperfMemberAppend(member->value, &length, *p);
    }
    return *p ? p + 1 : p;
}

static bool
pvperfDeviceVectors(const char *device,
                    bool *ours,
                    uint32_t *vectors)
{
    const char *(*next)(const char *, pvperfMember *) =
        *device == '{' ? pvperfJsonNext : pvperfOptsNext;
    pvperfMember member;
    bool doorbell = false;
    const char *p = device;

    *ours = false;
    *vectors = 1;               /* QEMU's default */
    while ((p = next(p, &member))) {
        if (member.key[0] == '\0' || strcmp(member.key, "driver") == 0)
            doorbell = strcmp(member.value, PVPERF_DEVICE) == 0;
        else if (strcmp(member.key, "id") == 0)
            *ours = strcmp(member.value, PVPERF_ALIAS) == 0;
        else if (strcmp(member.key, "vectors") == 0)
            *vectors = pvperfVectorsParse(member.value);
    }
    return doorbell;
}

/* The argument after p, or NULL. */
static const char *
pvperfArgumentNext(const char *p,
                   const char *end)
{
    const char *nul = memchr(p, '\0', (size_t)(end - p));

    return nul && nul + 1 < end && memchr(nul + 1, '\0', (size_t)(end - nul - 1)) ?
        nul + 1 : NULL;
}

static bool
pvperfArgumentIs(const char *p,
                 const char *name)
{
    return strcmp(p, name) == 0 || (p[0] == '-' && strcmp(p + 1, name) == 0);
}

uint32_t
pvperfVectorsFromArguments(const char *args,
                           size_t length,
                           bool any)
{
    const char *end = args + length;
    const char *p = length && memchr(args, '\0', length) ? args : NULL;
    unsigned int doorbells = 0;
    uint32_t other = 0;

    for (; p; p = pvperfArgumentNext(p, end)) {
        uint32_t vectors;
        bool ours;

        if (!pvperfArgumentIs(p, "-device"))
            continue;
        p = pvperfArgumentNext(p, end);
        if (!p)
            break;
        if (!pvperfDeviceVectors(p, &ours, &vectors))
            continue;
        if (ours)
            return vectors;
        doorbells++;
        other = vectors;
    }
    return any && doorbells == 1 ? other : 0;
}

uint32_t
pvperfVectorsFromSmp(const char *args,
                     size_t length)
{
    const char *end = args + length;
    const char *p = length && memchr(args, '\0', length) ? args : NULL;
    uint32_t cpus = 0;
    uint32_t max = 0;

    for (; p; p = pvperfArgumentNext(p, end)) {
        pvperfMember member;
        const char *opts;

        if (!pvperfArgumentIs(p, "-smp"))
            continue;
        p = pvperfArgumentNext(p, end);
        if (!p)
            break;
        opts = p;
        while ((opts = pvperfOptsNext(opts, &member))) {
            if (member.key[0] == '\0' || strcmp(member.key, "cpus") == 0)
                cpus = pvperfVectorsParse(member.value);
            else if (strcmp(member.key, "maxcpus") == 0)
                max = pvperfVectorsParse(member.value);
        }
    }
    return max ? max : cpus;
}
