/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy_table.h: policies out of a file, and the table of what they answer.
 *
 * What test_policy_table.c is written with: tableCase() enters one request and
 * its answer; cases of one policy and subject that are answered alike share a
 * line. Each answer is held against what is stated here and not in the code
 * under test: the pairs of errno and reason of docs/abi.rst, who has a limit,
 * and that a refusal shows in the guest's policy line.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

#include "conf/pvperf_domain_def.h"
#include "fake_host.h"

/* One <case> of policies.xml. */
typedef struct _tablePolicy tablePolicy;
struct _tablePolicy {
    char *name;
    pvperfDomainDef *def;
    pvperfPolicy policy;
    uint32_t available;         /* mask of the classes that the host can count */
    bool samples;               /* the guest's driver does */
};

/* All of them, for a VM of so many vCPUs, and the document that they stand in. */
GPtrArray *tablePoliciesRead(const char *path,
                             unsigned int nr_vcpus,
                             xmlDocPtr *doc);

/* The one of this name, which must exist. */
const tablePolicy *tablePolicyFind(const GPtrArray *policies,
                                   const char *name);

/* "errno reason" -> itself, for each row of docs/abi.rst, "What calls answer". */
GHashTable *tableAnswersRead(const char *path);

typedef struct _tableText tableText;
struct _tableText {
    GString *text;              /* the lines that are complete */
    GHashTable *answers;        /* those that docs/abi.rst knows */
    char *policy;
    char *subject;              /* of the lines that are being made ... */
    GPtrArray *lines;           /* ... one for each answer */
    uint64_t reasons;           /* mask: seen so far */
    uint32_t cases;
};

/* From here on cases are of this policy and subject. */
void tableBegin(tableText *table,
                const char *policy,
                const char *subject);
void tableEnd(tableText *table);

/* Does the guest's user see this refusal? (if it was the last one) */
void tableCheckShown(struct pvperf_result result);

/* One request, @way, and its answer, which was the last one; a numbered one: runs of
 * numbers that are answered alike are written as such. */
void tableCase(tableText *table,
               const char *way,
               struct pvperf_result result);
void tableCaseNumber(tableText *table,
                     uint32_t number,
                     struct pvperf_result result);

/* An answer that was not the last one. */
void tableEnter(tableText *table,
                const char *way,
                struct pvperf_result result);
