/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_policy.h: the effective policy of one VM, flattened.
 *
 * What is left of a <pvperf> element once defaults are filled in: a
 * fixed-size value without pointers, that the daemon computes and sends and
 * the backend obeys. 0 in a field named *_sec or *_period means "no limit".
 *
 * Pure data: no allocation, no I/O, no GLib; the backend links it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvperf/abi.h"

#define PVPERF_RAW_MAX 64       /* entries of the raw list */

typedef struct _pvperfPolicyRaw pvperfPolicyRaw;
struct _pvperfPolicyRaw {
    uint64_t config;
    uint64_t mask;              /* a request matches if (request & pvperfPolicyRawMask()) == config */
};

typedef struct _pvperfPolicy pvperfPolicy;
struct _pvperfPolicy {
    uint32_t on;                /* 0: state='off' */
    uint32_t classes;           /* mask of enum pvperf_class that are allowed */
    uint32_t max;               /* 1 .. PVPERF_MAX_IDS */
    uint32_t per_vcpu;          /* 1 .. PVPERF_MAX_PER_VCPU */
    uint64_t min_period;        /* events */
    uint64_t total_samples_sec;
    uint64_t total_samples_sec_max;
    uint32_t total_samples_sec_max_length; /* seconds */
    uint32_t nraw;
    uint64_t requests_sec;
    uint64_t cpu_period_us;     /* cgroup period; 0: no quota */
    uint64_t cpu_quota_us;
    pvperfPolicyRaw raw[PVPERF_RAW_MAX];
};

#define PVPERF_MAX_PER_VCPU 128 /* events counting at once on a vCPU: two full rings of frames */

/* The bits of a raw config that may be asked for at all: event select (AMD's
 * upper four bits included), umask, edge, inv, cmask. AnyThread and reserved
 * bits count neighbours. */
#define PVPERF_RAW_BITS 0x0000000fff84ffffULL

/* Of these AMD's event select goes on and Intel's says something else: another
 * value is another event, whatever the list looks at. */
#define PVPERF_RAW_BITS_ALWAYS 0x0000000f00000000ULL

/* Defaults, and the range of the CPU quota (the kernel's and libvirt's), in
 * us. The period is short so that a used up quota never looks like death. */
#define PVPERF_DEFAULT_PER_VCPU 16
#define PVPERF_DEFAULT_SAMPLES_SEC 5000         /* per vCPU */
#define PVPERF_DEFAULT_REQUESTS_SEC 200000      /* per vCPU */
#define PVPERF_DEFAULT_CPU_PERIOD 5000
#define PVPERF_DEFAULT_CPU_QUOTA 625            /* per vCPU: one eighth of a CPU */
#define PVPERF_MIN_CPU_PERIOD 1000
#define PVPERF_MAX_CPU_PERIOD 1000000
#define PVPERF_MIN_CPU_QUOTA 1000
#define PVPERF_MAX_CPU_QUOTA 17592186044415ULL

/* What a host gives to an element that says nothing; *_sec and the quota are
 * per vCPU. A quota of 0 is none. */
typedef struct _pvperfPolicyDefaults pvperfPolicyDefaults;
struct _pvperfPolicyDefaults {
    uint32_t classes;
    uint32_t per_vcpu;
    uint64_t samples_sec;
    uint64_t requests_sec;
    uint64_t cpu_period_us;
    uint64_t cpu_quota_us;
};

/* What a host gives that was told nothing. */
extern const pvperfPolicyDefaults pvperfPolicyBuiltin;

/* 4 events open per event that can count at once, up to PVPERF_MAX_IDS. */
uint32_t pvperfPolicyDefaultMax(uint32_t per_vcpu,
                                unsigned int nr_vcpus);

/* The defaults' share of a CPU per vCPU in a period of this length, at least
 * what the kernel takes. */
uint64_t pvperfPolicyDefaultQuota(const pvperfPolicyDefaults *defaults,
                                  uint64_t period_us,
                                  unsigned int nr_vcpus);

/* The policy of the bare element on a VM of nr_vcpus maximum vCPUs. */
void pvperfPolicyInit(pvperfPolicy *policy,
                      const pvperfPolicyDefaults *defaults,
                      unsigned int nr_vcpus);
void pvperfPolicyInitDefault(pvperfPolicy *policy,
                             unsigned int nr_vcpus);

/* The policy that bounds nothing but what the interface itself bounds. */
void pvperfPolicyInitUnbounded(pvperfPolicy *policy);

/* Lowers @policy to what both allow. 0 or, if the two raw lists have more in
 * common than fits a list, -E2BIG; @policy then allows no raw event. */
int pvperfPolicyLimit(pvperfPolicy *policy,
                      const pvperfPolicy *bound);

/* The bits that an entry looks at; none if its mask has none. */
static inline uint64_t
pvperfPolicyRawMask(const pvperfPolicyRaw *raw)
{
    return raw->mask ? raw->mask | PVPERF_RAW_BITS_ALWAYS : 0;
}

/* True if the list lets this raw config through. */
bool pvperfPolicyAllowsRaw(const pvperfPolicy *policy,
                           uint64_t config);
