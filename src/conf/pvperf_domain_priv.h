/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_priv.h: what the files of the <pvperf> grammar share.
 *
 * The range of every number stands in one table, read by parse and by
 * validate; contradictions are checked per element, so that parse can name
 * the element's line and validate, which has no text, can do without.
 * Nobody outside src/conf includes this.
 */
#pragma once

#include "pvperf_domain_def.h"

/* What a name (of a policy, of a group) may look like. */
#define PVPERF_NAME_MAX 64

/* More than one sample or request a nanosecond no host serves. */
#define PVPERF_RATE_MAX 1000000000ULL

/* A burst that is longer is no burst. */
#define PVPERF_BURST_MAX 3600

/* One number of the element. */
typedef struct _pvperfNumber pvperfNumber;
struct _pvperfNumber {
    const char *element;
    const char *attr;           /* NULL: the number is the element's text */
    size_t offset;              /* of the pvperfOptional in pvperfDomainDef */
    bool zero;                  /* 0 is allowed besides min .. max: no limit */
    uint64_t min;
    uint64_t max;
};

/* Ends with an entry whose element is NULL. */
extern const pvperfNumber pvperfNumbers[];

/* The table's entry, which must exist. */
const pvperfNumber *pvperfNumberFind(const char *element,
                                     const char *attr);

pvperfOptional *pvperfNumberGet(pvperfDomainDef *def,
                                const pvperfNumber *number);

/* True if @value is in range; else @error quotes it as @text. */
bool pvperfNumberCheck(const pvperfNumber *number,
                       uint64_t value,
                       const char *text,
                       long line,
                       GError **error);

/* "1 to 16384" */
char *pvperfNumberAllowed(const pvperfNumber *number);

/* Sets @error, with "line N: " in front if @line is not 0; always false. */
bool pvperfConfSetError(GError **error,
                        pvperfConfError code,
                        long line,
                        const char *format,
                        ...) G_GNUC_PRINTF(4, 5);

/* @what: "<pvperf>: policy", "<group_name>". */
bool pvperfCheckName(const char *what,
                     const char *name,
                     long line,
                     GError **error);
bool pvperfCheckRaw(const pvperfPolicyRaw *raw,
                    long line,
                    GError **error);
bool pvperfCheckRawClass(const pvperfDomainDef *def,
                         long line,
                         GError **error);
bool pvperfCheckSampletune(const pvperfDomainDef *def,
                           long line,
                           GError **error);

/* @text as a document: no network, no DTD, line numbers kept. @what names it
 * in the error. */
xmlDocPtr pvperfXMLRead(const char *text,
                        const char *what,
                        GError **error);
