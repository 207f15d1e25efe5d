/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz.h: what every target is made of.
 *
 * libFuzzer calls LLVMFuzzerTestOneInput() with bytes; most targets read them as a
 * script, through the reader below: an input that is cut short goes on as
 * zeroes, so that every prefix is a script, too. A target ends the process on
 * what must not be (fuzzExpect); the sanitizers do the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc,
                         char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data,
                           size_t size);

typedef struct _fuzzInput fuzzInput;
struct _fuzzInput {
    const uint8_t *data;
    size_t size;
};

/* Ends the process, which libFuzzer takes for a finding, if this does not hold. */
#define fuzzExpect(holds) \
    do { \
        if (!(holds)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
            abort(); \
        } \
    } while (0)

/* So many bytes, zeroes behind the end. */
static inline void
fuzzBytes(fuzzInput *input,
          void *to,
          size_t size)
{
    size_t n = size < input->size ? size : input->size;

    memset(to, 0, size);
    if (n)
        memcpy(to, input->data, n);
    input->data += n;
    input->size -= n;
}


static inline uint8_t
fuzzByte(fuzzInput *input)
{
    uint8_t value;

    fuzzBytes(input, &value, sizeof(value));
    return value;
}


static inline uint16_t
fuzzShort(fuzzInput *input)
{
    uint16_t value;

    fuzzBytes(input, &value, sizeof(value));
    return value;
}


/* One byte for small numbers, powers of two and their neighbours, and what is negative;
 * nine for any other. */
static inline uint64_t
fuzzWord(fuzzInput *input)
{
    uint8_t kind = fuzzByte(input);
    uint64_t value;

    if (kind < 64)
        return kind;
    if (kind < 128)
        return 1ULL << (kind - 64);
    if (kind < 192)
        return (1ULL << (kind - 128)) - 1;
    if (kind < 224)
        return -(uint64_t)(kind - 192);
    if (kind < 240)
        return fuzzShort(input);
    fuzzBytes(input, &value, sizeof(value));
    return value;
}
