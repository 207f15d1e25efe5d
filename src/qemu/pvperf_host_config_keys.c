/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_host_config_keys.c: the keys of virtpvperfd.conf.
 *
 * Owns their names, types and ranges; docs/man/virtpvperfd.rst explains each,
 * and the example file has them all. Called by pvperf_host_config.c.
 */
#include "pvperf_host_config_keys.h"

#include <string.h>

/* What an element may say, no default or ceiling exceeds. */
#define PVPERF_CONFIG_RATE_MAX 1000000000ULL
#define PVPERF_CONFIG_MEMORY_MAX (1ULL << 32)   /* KiB: 4 TiB */

#define PVPERF_KEY_WORDS 3

typedef enum {
    PVPERF_KEY_NUMBER,          /* uint64_t */
    PVPERF_KEY_NUMBER32,        /* uint32_t */
    PVPERF_KEY_NAME,            /* char * */
    PVPERF_KEY_CLASSES,         /* mask, uint32_t */
    PVPERF_KEY_CHOICE,          /* bool or enum; words[i] is the word for i */
} pvperfKeyType;

typedef struct _pvperfKey pvperfKey;
struct _pvperfKey {
    const char *name;
    pvperfKeyType type;
    bool in_policy;             /* offset is within the pvperfHostPolicy */
    size_t offset;
    size_t size;                /* of a choice */
    bool zero;                  /* 0 is allowed besides min .. max */
    uint64_t min;
    uint64_t max;
    const char *words[PVPERF_KEY_WORDS];
};

#define POLICY_NUMBER(name_, type_, member, zero_, min_, max_) \
    { .name = name_, .type = type_, .in_policy = true, .offset = offsetof(pvperfHostPolicy, member), \
      .zero = zero_, .min = min_, .max = max_ }

static const pvperfKey configKeys[] = {
    { .name = "manage_devices", .type = PVPERF_KEY_CHOICE,
      .offset = offsetof(pvperfHostConfig, manage_devices), .size = sizeof(bool),
      .words = { "manual", "auto" } },
    { .name = "read_access", .type = PVPERF_KEY_CHOICE,
      .offset = offsetof(pvperfHostConfig, read_access), .size = sizeof(pvperfAccess),
      .words = { "bus", "polkit" } },
    { .name = "backend_user", .type = PVPERF_KEY_NAME, .offset = offsetof(pvperfHostConfig, backend_user) },
    { .name = "backend_seccomp", .type = PVPERF_KEY_CHOICE,
      .offset = offsetof(pvperfHostConfig, backend_seccomp), .size = sizeof(pvperfBackendSeccomp),
      .words = { "kill", "log", "none" } },

    { .name = "default_policy", .type = PVPERF_KEY_NAME, .in_policy = true,
      .offset = offsetof(pvperfHostPolicy, default_policy) },
    { .name = "default_classes", .type = PVPERF_KEY_CLASSES, .in_policy = true,
      .offset = offsetof(pvperfHostPolicy, defaults.classes) },
    POLICY_NUMBER("default_per_vcpu", PVPERF_KEY_NUMBER32, defaults.per_vcpu, false, 1, PVPERF_MAX_PER_VCPU),
    POLICY_NUMBER("default_samples_sec", PVPERF_KEY_NUMBER, defaults.samples_sec,
                  true, 1, PVPERF_CONFIG_RATE_MAX / PVPERF_MAX_VCPUS),
    POLICY_NUMBER("default_requests_sec", PVPERF_KEY_NUMBER, defaults.requests_sec,
                  true, 1, PVPERF_CONFIG_RATE_MAX / PVPERF_MAX_VCPUS),
    POLICY_NUMBER("default_cpu_period", PVPERF_KEY_NUMBER, defaults.cpu_period_us,
                  false, PVPERF_MIN_CPU_PERIOD, PVPERF_MAX_CPU_PERIOD),
    POLICY_NUMBER("default_cpu_quota", PVPERF_KEY_NUMBER, defaults.cpu_quota_us,
                  true, 1, PVPERF_MAX_CPU_PERIOD),

    POLICY_NUMBER("ceiling_max", PVPERF_KEY_NUMBER32, ceiling.max, false, 1, PVPERF_MAX_IDS),
    POLICY_NUMBER("ceiling_per_vcpu", PVPERF_KEY_NUMBER32, ceiling.per_vcpu, false, 1, PVPERF_MAX_PER_VCPU),
    POLICY_NUMBER("ceiling_total_samples_sec", PVPERF_KEY_NUMBER, ceiling.total_samples_sec,
                  true, 1, PVPERF_CONFIG_RATE_MAX),
    POLICY_NUMBER("ceiling_requests_sec", PVPERF_KEY_NUMBER, ceiling.requests_sec,
                  true, 1, PVPERF_CONFIG_RATE_MAX),
    { .name = "ceiling_memory", .type = PVPERF_KEY_NUMBER, .offset = offsetof(pvperfHostConfig, ceiling_memory),
      .zero = true, .min = 64, .max = PVPERF_CONFIG_MEMORY_MAX },
};


static bool
configError(GError **error,
            const char *key,
            const char *value,
            const char *allowed)
{
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                "%s = %s: allowed: %s", key, value, allowed);
    return false;
}


static bool
configSetNumber(const pvperfKey *key,
                const char *value,
                void *field,
                GError **error)
{
    g_autoptr(GVariant) parsed = g_variant_parse(G_VARIANT_TYPE_UINT64, value, NULL, NULL, NULL);
    g_autofree char *allowed = g_strdup_printf("%s%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                                               key->zero ? "0 (no limit), or " : "", key->min, key->max);
    uint64_t number = parsed ? g_variant_get_uint64(parsed) : 0;

    if (!parsed || (number == 0 && !key->zero) || (number && number < key->min) || number > key->max)
        return configError(error, key->name, value, allowed);
    if (key->type == PVPERF_KEY_NUMBER32)
        *(uint32_t *)field = number;
    else
        *(uint64_t *)field = number;
    return true;
}


static bool
configSetName(const pvperfKey *key,
              const char *value,
              char **field,
              GError **error)
{
    g_autoptr(GVariant) parsed = g_variant_parse(G_VARIANT_TYPE_STRING, value, NULL, NULL, NULL);

    if (!parsed || !*g_variant_get_string(parsed, NULL))
        return configError(error, key->name, value, "a name in quotes");
    g_free(*field);
    *field = g_variant_dup_string(parsed, NULL);
    return true;
}


static bool
configSetClasses(const pvperfKey *key,
                 const char *value,
                 uint32_t *field,
                 GError **error)
{
    g_autoptr(GVariant) parsed = g_variant_parse(G_VARIANT_TYPE_STRING_ARRAY, value, NULL, NULL, NULL);
    const char *allowed = "a list such as [ \"ipc\", \"branch\" ] of ipc, branch, cache, vcpu; "
        "raw needs a list of events and is for elements and policies";
    g_autofree const char **names = NULL;
    uint32_t classes = 0;
    size_t i;

    if (!parsed)
        return configError(error, key->name, value, allowed);
    names = g_variant_get_strv(parsed, NULL);
    for (i = 0; names[i]; i++) {
        int klass = pvperfClassFromName(names[i]);

        if (klass < 0 || klass == PVPERF_CLASS_RAW)
            return configError(error, key->name, value, allowed);
        classes |= 1U << klass;
    }
    *field = classes;
    return true;
}


/* "a" and "b", or "a", "b" and "c" */
static char *
configChoices(const pvperfKey *key)
{
    GString *text = g_string_new(NULL);
    size_t i;

    for (i = 0; i < PVPERF_KEY_WORDS && key->words[i]; i++) {
        bool last = i + 1 == PVPERF_KEY_WORDS || !key->words[i + 1];

        g_string_append_printf(text, "%s\"%s\"", i == 0 ? "" : last ? " and " : ", ", key->words[i]);
    }
    return g_string_free(text, FALSE);
}


static bool
configSetChoice(const pvperfKey *key,
                const char *value,
                void *field,
                GError **error)
{
    g_autoptr(GVariant) parsed = g_variant_parse(G_VARIANT_TYPE_STRING, value, NULL, NULL, NULL);
    g_autofree char *allowed = configChoices(key);
    unsigned int i;

    for (i = 0; parsed && i < PVPERF_KEY_WORDS && key->words[i]; i++) {
        if (strcmp(g_variant_get_string(parsed, NULL), key->words[i]) != 0)
            continue;
        if (key->size == sizeof(bool))
            *(bool *)field = i;
        else
            *(unsigned int *)field = i; /* an enum */
        return true;
    }
    return configError(error, key->name, value, allowed);
}


static bool
configErrorUnknown(const char *name,
                   GError **error)
{
    g_autoptr(GString) allowed = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(configKeys); i++)
        g_string_append_printf(allowed, "%s%s", i ? ", " : "", configKeys[i].name);
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
                "the key '%s' is not known; allowed: %s", name, allowed->str);
    return false;
}


bool
pvperfHostConfigSet(pvperfHostConfig *config,
                    const char *name,
                    const char *value,
                    GError **error)
{
    const pvperfKey *key = NULL;
    void *field;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(configKeys) && !key; i++) {
        if (strcmp(configKeys[i].name, name) == 0)
            key = &configKeys[i];
    }
    if (!key)
        return configErrorUnknown(name, error);

    field = (char *)(key->in_policy ? (void *)config->policy : (void *)config) + key->offset;
    switch (key->type) {
    case PVPERF_KEY_NUMBER:
    case PVPERF_KEY_NUMBER32:
        return configSetNumber(key, value, field, error);
    case PVPERF_KEY_NAME:
        return configSetName(key, value, field, error);
    case PVPERF_KEY_CLASSES:
        return configSetClasses(key, value, field, error);
    case PVPERF_KEY_CHOICE:
        return configSetChoice(key, value, field, error);
    }
    g_return_val_if_reached(false);
}
