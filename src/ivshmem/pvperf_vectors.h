/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_vectors.h: how many vectors a VMM's device has, from text.
 *
 * Pure functions over bytes that somebody else wrote; no I/O. 0: not said.
 * Numbers are capped to PVPERF_MAX_VCPUS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From NUL-separated arguments: the ivshmem-doorbell device of alias
 * ua-pvperf; with any, else the only ivshmem-doorbell there is. */
uint32_t pvperfVectorsFromArguments(const char *args,
                                    size_t length,
                                    bool any);

/* From NUL-separated arguments: the maximum number of vCPUs. */
uint32_t pvperfVectorsFromSmp(const char *args,
                              size_t length);

/* From libvirt's status XML: the <shmem name='pvperf'>. */
uint32_t pvperfVectorsFromStatus(const char *xml,
                                 size_t length);

/* The pid of libvirt's status XML, from its beginning; 0: none. */
uint32_t pvperfPidFromStatus(const char *xml,
                             size_t length);
