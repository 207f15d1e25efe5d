/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_text.c: what pvperf-ivshmem reads of a VM: libvirt's status XML and a process's
 * command line (src/ivshmem/pvperf_status_xml.c, pvperf_vectors.c).
 *
 * Pure functions on bytes. A number that they give is in range, and text behind the
 * end of the input has no part in it.
 */
#include "fuzz.h"
#include "ivshmem/pvperf_vectors.h"
#include "pvperf/abi.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data,
                       size_t size)
{
    const char *text = (const char *)data;

    fuzzExpect(pvperfPidFromStatus(text, size) <= INT32_MAX);
    fuzzExpect(pvperfVectorsFromStatus(text, size) <= PVPERF_MAX_VCPUS);
    fuzzExpect(pvperfVectorsFromSmp(text, size) <= PVPERF_MAX_VCPUS);
    fuzzExpect(pvperfVectorsFromArguments(text, size, false) <= PVPERF_MAX_VCPUS);
    fuzzExpect(pvperfVectorsFromArguments(text, size, true) <= PVPERF_MAX_VCPUS);
    return 0;
}
