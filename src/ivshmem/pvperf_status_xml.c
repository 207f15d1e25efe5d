/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_status_xml.c: what libvirt's status XML says of a VM.
 *
 * The file is libvirt's own, so its form is known: well-formed, written by
 * libxml2, root element domstatus. But its content is partly the operator's
 * (names, metadata), so an element counts only at its full path from the root,
 * and comments, CDATA and quoted values are never searched.
 */
#include "pvperf_vectors.h"

#include <string.h>

#include <pvperf/abi.h>

/* One tag. Pointers are into the text. */
typedef struct {
    const char *name;
    size_t nameLength;
    const char *attrs;
    size_t attrsLength;
    bool closing;
    bool empty;
} pvperfTag;

static const char *
pvperfTextAfter(const char *p,
                const char *end,
                const char *what)
{
    const char *found = memmem(p, (size_t)(end - p), what, strlen(what));

    return found ? found + strlen(what) : NULL;
}

static bool
pvperfTextStarts(const char *p,
                 const char *end,
                 const char *what)
{
    return (size_t)(end - p) >= strlen(what) && memcmp(p, what, strlen(what)) == 0;
}

/* The '>' that ends the tag at p, quoted ones passed over. */
static const char *
pvperfTagEnd(const char *p,
             const char *end)
{
    char quote = '\0';

    for (; p < end; p++) {
        if (quote) {
            if (*p == quote)
                quote = '\0';
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
        } else if (*p == '>') {
            return p;
        }
    }
    return NULL;
}

/* The next tag from p on; NULL at the end of the text. */
static const char *
pvperfTagNext(const char *p,
              const char *end,
              pvperfTag *tag)
{
    const char *stop;

    while (p && (p = memchr(p, '<', (size_t)(end - p)))) {
        if (pvperfTextStarts(p, end, "<!--")) {
            p = pvperfTextAfter(p + 4, end, "-->");
        } else if (pvperfTextStarts(p, end, "<![CDATA[")) {
            p = pvperfTextAfter(p, end, "]]>");
        } else if (pvperfTextStarts(p, end, "<?")) {
            p = pvperfTextAfter(p, end, "?>");
        } else {
            break;
        }
    }
    if (!p || !(stop = pvperfTagEnd(p, end)))
        return NULL;

    p++;
    tag->closing = *p == '/';
    if (tag->closing)
        p++;
    tag->empty = stop > p && stop[-1] == '/';
    tag->name = p;
    while (p < stop && !strchr(" \t\r\n/", *p))
        p++;
    tag->nameLength = (size_t)(p - tag->name);
    tag->attrs = p;
    tag->attrsLength = (size_t)(stop - p);
    return stop + 1;
}

static bool
pvperfTagIs(const pvperfTag *tag,
            const char *name)
{
    return tag->nameLength == strlen(name) && memcmp(tag->name, name, tag->nameLength) == 0;
}

/* Value of an attribute; false: there is none, or it does not fit. */
static bool
pvperfTagAttribute(const pvperfTag *tag,
                   const char *name,
                   char *value,
                   size_t size)
{
    const char *p = tag->attrs;
    const char *end = p + tag->attrsLength;

    while (p < end) {
        const char *key;
        const char *close;
        size_t keyLength;

        while (p < end && strchr(" \t\r\n", *p))
            p++;
        key = p;
        p = memchr(p, '=', (size_t)(end - p));
        if (!p)
            return false;
        keyLength = (size_t)(p - key);
        p++;
        if (p >= end || (*p != '\'' && *p != '"'))
            return false;
        close = memchr(p + 1, *p, (size_t)(end - p - 1));
        if (!close)
            return false;
        if (keyLength == strlen(name) && memcmp(key, name, keyLength) == 0) {
            size_t length = (size_t)(close - p - 1);

            if (length >= size)
                return false;
            memcpy(value, p + 1, length);
            value[length] = '\0';
            return true;
        }
        p = close + 1;
    }
    return false;
}

static uint32_t
pvperfTagNumber(const pvperfTag *tag,
                const char *name,
                uint32_t max)
{
    char text[16];
    const char *p;
    uint64_t value = 0;

    if (!pvperfTagAttribute(tag, name, text, sizeof(text)))
        return 0;
    for (p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return 0;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    return value > max ? max : (uint32_t)value;
}

uint32_t
pvperfPidFromStatus(const char *xml,
                    size_t length)
{
    pvperfTag tag;

    if (!pvperfTagNext(xml, xml + length, &tag) || !pvperfTagIs(&tag, "domstatus"))
        return 0;
    return pvperfTagNumber(&tag, "pid", INT32_MAX);
}

uint32_t
pvperfVectorsFromStatus(const char *xml,
                        size_t length)
{
    static const char *const path[] = { "domstatus", "domain", "devices", "shmem", "msi" };
    const size_t last = sizeof(path) / sizeof(path[0]) - 1;
    const char *p = xml;
    pvperfTag tag;
    size_t depth = 0;
    size_t matched = 0;         /* elements of path we stand in */

    while ((p = pvperfTagNext(p, xml + length, &tag))) {
        char name[16];
        bool match;

        if (tag.closing) {
            if (depth == 0)
                return 0;
            if (matched == depth)
                matched--;
            depth--;
            continue;
        }
        match = depth == matched && matched <= last && pvperfTagIs(&tag, path[matched]);
        if (match && matched == last)
            return pvperfTagNumber(&tag, "vectors", PVPERF_MAX_VCPUS);
        if (match && matched == last - 1)
            match = pvperfTagAttribute(&tag, "name", name, sizeof(name)) &&
                strcmp(name, "pvperf") == 0;
        if (tag.empty)
            continue;
        depth++;
        if (match)
            matched++;
    }
    return 0;
}
