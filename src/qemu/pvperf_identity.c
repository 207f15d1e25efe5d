/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvperf_identity.c: pid -> domain; process -> window.
 *
 * libvirt writes NAME.pid and NAME.xml (status) before QEMU connects to any
 * of its chardevs, and removes them when the process ends. The pid must stand
 * in both. Callers check the process's start time and pidfd around this, so
 * that a pid that was used again in between is noticed.
 */
#include "pvperf_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

/* A status XML holds the whole domain; libvirt itself reads at most 10 MiB. */
#define PVPERF_STATUS_MAX (10 * 1024 * 1024)


/* Contents of @dir/@file if it is a regular file of @owner that nobody else
 * can write; NULL otherwise. */
static char *
pvperfIdentityReadFile(const char *dir,
                       const char *file,
                       uid_t owner,
                       gsize max)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *text = NULL;
    struct stat st;
    gsize done = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != owner ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) || (gsize)st.st_size > max) {
        close(fd);
        return NULL;
    }

    text = g_malloc(st.st_size + 1);
    while (done < (gsize)st.st_size) {
        ssize_t got = read(fd, text + done, st.st_size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += got;
    }
    close(fd);
    text[done] = '\0';
    return g_steal_pointer(&text);
}


static bool
pvperfIdentityParsePid(const char *text,
                       pid_t *pid)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || (*end && *end != '\n') || value <= 0 || value > INT32_MAX)
        return false;
    *pid = value;
    return true;
}


static xmlNodePtr
pvperfIdentityChild(xmlNodePtr parent,
                    const char *name)
{
    xmlNodePtr node;

    for (node = parent->children; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0)
            return node;
    }
    return NULL;
}


/* UUID in a status XML, if its process is @pid. */
static char *
pvperfIdentityStatusUuid(const char *xml,
                         pid_t pid)
{
    xmlDocPtr doc = xmlReadMemory(xml, strlen(xml), "status.xml", NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNodePtr domain;
    xmlNodePtr node;
    xmlChar *attr = NULL;
    xmlChar *content = NULL;
    char *uuid = NULL;
    pid_t seen;

    if (!root || strcmp((const char *)root->name, "domstatus") != 0)
        goto cleanup;
    attr = xmlGetNoNsProp(root, BAD_CAST "pid");
    if (!attr || !pvperfIdentityParsePid((const char *)attr, &seen) || seen != pid)
        goto cleanup;
    domain = pvperfIdentityChild(root, "domain");
    node = domain ? pvperfIdentityChild(domain, "uuid") : NULL;
    content = node ? xmlNodeGetContent(node) : NULL;
    if (content && g_uuid_string_is_valid((const char *)content))
        uuid = g_ascii_strdown((const char *)content, -1);

 cleanup:
    xmlFree(content);
    xmlFree(attr);
    xmlFreeDoc(doc);
    return uuid;
}


/* UUID of the domain whose pid file is @file, if it names @pid. */
static char *
pvperfIdentityTryFile(const char *dir,
                      const char *file,
                      uid_t owner,
                      pid_t pid)
{
    g_autofree char *text = NULL;
    g_autofree char *name = NULL;
    g_autofree char *status = NULL;
    g_autofree char *xml = NULL;
    pid_t seen;

    if (!g_str_has_suffix(file, ".pid"))
        return NULL;
    text = pvperfIdentityReadFile(dir, file, owner, 64);
    if (!text || !pvperfIdentityParsePid(text, &seen) || seen != pid)
        return NULL;

    name = g_strndup(file, strlen(file) - strlen(".pid"));
    status = g_strconcat(name, ".xml", NULL);
    xml = pvperfIdentityReadFile(dir, status, owner, PVPERF_STATUS_MAX);
    return xml ? pvperfIdentityStatusUuid(xml, pid) : NULL;
}


char *
pvperfIdentityFindDomain(const char *qemu_run_dir,
                         uid_t owner,
                         pid_t pid,
                         GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(qemu_run_dir, 0, error);
    const char *file;
    char *uuid;

    if (!dir)
        return NULL;
    while ((file = g_dir_read_name(dir))) {
        uuid = pvperfIdentityTryFile(qemu_run_dir, file, owner, pid);
        if (uuid)
            return uuid;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "process %d is no domain of libvirt: no pid file and status XML in %s name it",
                pid, qemu_run_dir);
    return NULL;
}


/* PROC/PID/stat from field @number, 3 or later, on; NULL: there is none. */
static char *
pvperfIdentityStat(const char *proc,
                   pid_t pid,
                   unsigned int number)
{
    g_autofree char *path = g_strdup_printf("%s/%d/stat", proc, pid);
    g_autofree char *text = NULL;
    const char *p;
    unsigned int field;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    /* the name, field 2, may hold anything: count from its last ')' */
    p = strrchr(text, ')');
    for (field = 2; p && field < number; field++)
        p = strchr(p + 1, ' ');
    return p ? g_strdup(p + 1) : NULL;
}


uint64_t
pvperfIdentityStartTime(const char *proc,
                        pid_t pid)
{
    g_autofree char *text = pvperfIdentityStat(proc, pid, 22);

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}


char
pvperfIdentityState(const char *proc,
                    pid_t pid)
{
    g_autofree char *text = pvperfIdentityStat(proc, pid, 3);

    return text ? *text : 0;
}


/* What PROC/PID/fdinfo/FD says of the file itself: its mount and inode. The kernel
 * answers from memory, whatever file system the process has put there. */
static char *
pvperfIdentityFile(const char *proc,
                   const char *pid,
                   const char *fd)
{
    g_autofree char *path = g_build_filename(proc, pid, "fdinfo", fd, NULL);
    g_autofree char *text = NULL;
    const char *mount;
    const char *inode;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    mount = strstr(text, "\nmnt_id:");
    inode = strstr(text, "\nino:");
    if (!mount || !inode)
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                           g_ascii_strtoull(mount + strlen("\nmnt_id:"), NULL, 10),
                           g_ascii_strtoull(inode + strlen("\nino:"), NULL, 10));
}


bool
pvperfIdentityHolds(const char *proc,
                    pid_t pid,
                    int fd)
{
    g_autofree char *process = g_strdup_printf("%d", pid);
    g_autofree char *own = g_strdup_printf("%d", fd);
    g_autofree char *wanted = pvperfIdentityFile("/proc", "self", own);
    g_autofree char *path = g_build_filename(proc, process, "fdinfo", NULL);
    g_autoptr(GDir) dir = wanted ? g_dir_open(path, 0, NULL) : NULL;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = pvperfIdentityFile(proc, process, name);

        if (g_strcmp0(file, wanted) == 0)
            return true;
    }
    return false;
}
