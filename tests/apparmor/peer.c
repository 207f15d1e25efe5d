/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer.c: does what QEMU's ivshmem-doorbell does when a domain starts.
 *
 *   peer PROFILE            go under this profile at the next exec, as libvirt
 *                           does, and become QEMU's user
 *   peer                    connect, take the handshake, map the window, ring
 *
 * Prints one line: what it got, and whether it is confined; or where and why it
 * failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "/run/libvirt/pvperf/ivshmem.sock"
#define QEMU_USER 64055


static void
fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}


static void
confine(const char *profile,
        char *self)
{
    char text[256];
    int fd = open("/proc/self/attr/exec", O_WRONLY);
    int len = snprintf(text, sizeof(text), "exec %s", profile);

    if (strcmp(profile, "unconfined") != 0 && (fd < 0 || write(fd, text, (size_t)len) != len))
        fail("profile");
    close(fd);
    if (setresgid(QEMU_USER, QEMU_USER, QEMU_USER) < 0 || setresuid(QEMU_USER, QEMU_USER, QEMU_USER) < 0)
        fail("user");
    execl(self, self, NULL);
    fail("exec");
}


/* The next message of the handshake; its descriptor, or -1 */
static int
next(int sock,
     int64_t *value)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = { value, sizeof(*value) };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
    };
    struct cmsghdr *header;
    int fd = -1;

    if (recvmsg(sock, &message, 0) != sizeof(*value))
        fail("recvmsg");
    header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}


int
main(int argc,
     char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET };
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    uint64_t one = 1;
    int64_t value;
    struct stat st;
    void *window;
    int memory, doorbell;

    if (argc > 1)
        confine(argv[1], argv[0]);
    if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail("connect");
    next(sock, &value);
    next(sock, &value);
    memory = next(sock, &value);
    doorbell = next(sock, &value);
    if (memory < 0 || fstat(memory, &st) < 0)
        fail("no memory");
    window = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (window == MAP_FAILED)
        fail("mmap");
    if (doorbell < 0 || write(doorbell, &one, sizeof(one)) != sizeof(one))
        fail("doorbell");
    /* No profile of a domain allows this file. */
    printf("connected, mapped, rang, %s\n", access("/init", F_OK) == 0 && open("/init", O_RDONLY) < 0 ?
           "confined" : "not confined");
    return 0;
}
