/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_affinity.h: on which CPUs a backend runs.
 *
 * Where libvirt lets the emulator run (<emulatorpin>: the affinity of QEMU's
 * main thread), but on no CPU that belongs to a vCPU. Called by the domain
 * object when its backend starts and when libvirt tells that pinning changed.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/* The rule. Masks have @size bytes. A vCPU that may not run on every CPU of the
 * emulator was pinned, and the CPUs it is pinned to are its own; one that may
 * was not. If nothing is left, @cpus is the emulator's. */
void pvperfAffinityChoose(size_t size,
                          const cpu_set_t *emulator,
                          const cpu_set_t *const *vcpus,
                          size_t nvcpus,
                          cpu_set_t *cpus);

/* Put all threads of @backend where the threads of @qemu say. Only what
 * differs is set. */
bool pvperfAffinityFollow(const char *proc,
                          pid_t qemu,
                          pid_t backend,
                          GError **error);
