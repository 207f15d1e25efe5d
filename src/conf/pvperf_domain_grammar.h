/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_domain_grammar.h: the grammar of <pvperf> as a tree of tables.
 *
 * What pvperf_domain_grammar.c tells pvperf_domain_parse.c: which element may
 * stand where, how often, with which attributes, and who reads it. A reader
 * sees only what its table allows. Nobody outside src/conf includes this, but
 * for the test that holds a policy for every item.
 */
#pragma once

#include "pvperf_domain_priv.h"

typedef struct _pvperfElement pvperfElement;
struct _pvperfElement {
    const char *name;
    bool many;                          /* may stand more than once */
    const char *const *attrs;           /* allowed ones, or NULL */
    const pvperfElement *children;      /* allowed ones, or NULL: text or nothing */
    bool text;                          /* holds text */
    bool (*parse)(pvperfDomainDef *def,
                  xmlNodePtr node,
                  GError **error);      /* before the children; or NULL */
    bool (*finish)(const pvperfDomainDef *def,
                   long line,
                   GError **error);     /* after the children; or NULL */
};

/* <pvperf> itself. */
extern const pvperfElement pvperfGrammarRoot;

/* Sets @error with the line of @node; always false. */
bool pvperfGrammarSetError(GError **error,
                           xmlNodePtr node,
                           const char *format,
                           ...) G_GNUC_PRINTF(3, 4);
