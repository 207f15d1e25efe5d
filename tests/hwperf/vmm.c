/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm.c: the least VMM that runs guest.S.
 *
 * One page of code, one page of mailbox behind it; no interrupt controller, no
 * device. Ends the process on anything unexpected: no count means anything then.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define MEMORY 0x100000ULL      /* guest-physical */
#define PAGE 4096ULL
#define NOWHERE 0x8000ULL

#define CORE_REG(name) \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

extern const uint8_t vmmGuestCode[];
extern const uint8_t vmmGuestEntry[];
extern const uint8_t vmmGuestKernel[];
extern const uint8_t vmmGuestKernelEnd[];
extern const uint8_t vmmGuestUser[];
extern const uint8_t vmmGuestUserEnd[];

static struct {
    int vcpu_fd;
    struct kvm_run *run;
    uint64_t *mailbox;
    vmmWork work;
    sem_t begin;
    sem_t done;
    bool idle;
} vmm;


static int
vmmIoctl(int fd,
         unsigned long request,
         void *argument)
{
    int ret = ioctl(fd, request, argument);

    if (ret < 0)
        err(99, "KVM ioctl 0x%lx", request);
    return ret;
}


static void
vmmSetRegister(uint64_t id,
               uint64_t value)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

    vmmIoctl(vmm.vcpu_fd, KVM_SET_ONE_REG, &reg);
}


static void
vmmCreate(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    uint8_t *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = MEMORY,
        .memory_size = 2 * PAGE,
        .userspace_addr = (uintptr_t)memory,
    };
    struct kvm_vcpu_init init = { 0 };
    int fd;

    if (kvm < 0 || memory == MAP_FAILED)
        err(99, "/dev/kvm");
    memcpy(memory, vmmGuestCode, PAGE);
    vmm.mailbox = (uint64_t *)(memory + PAGE);
    fd = vmmIoctl(kvm, KVM_CREATE_VM, NULL);
    vmmIoctl(fd, KVM_SET_USER_MEMORY_REGION, &region);
    vmm.vcpu_fd = vmmIoctl(fd, KVM_CREATE_VCPU, NULL);
    vmmIoctl(fd, KVM_ARM_PREFERRED_TARGET, &init);
    vmmIoctl(vmm.vcpu_fd, KVM_ARM_VCPU_INIT, &init);
    vmm.run = mmap(NULL, vmmIoctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE,
                   MAP_SHARED, vmm.vcpu_fd, 0);
    if (vmm.run == MAP_FAILED)
        err(99, "vCPU");
    vmmSetRegister(CORE_REG(regs.pc), MEMORY + (vmmGuestEntry - vmmGuestCode));
    vmmSetRegister(CORE_REG(regs.regs[0]), MEMORY + PAGE);
    vmmSetRegister(CORE_REG(regs.regs[20]), NOWHERE);
}


static void
vmmRound(void)
{
    volatile uint64_t turns = vmm.work.host_turns;

    while (turns > 0)
        turns--;
    vmmIoctl(vmm.vcpu_fd, KVM_RUN, NULL);
    if (vmm.run->exit_reason != KVM_EXIT_MMIO || vmm.run->mmio.phys_addr != NOWHERE)
        errx(99, "the guest came out for reason %u", vmm.run->exit_reason);
}


static void *
vmmThread(void *opaque)
{
    uint64_t i;

    (void)opaque;
    for (;;) {
        while (sem_wait(&vmm.begin) < 0)
            ;
        vmm.mailbox[0] = vmm.work.kernel_turns;
        vmm.mailbox[1] = vmm.work.user_turns;
        for (i = 0; i < vmm.work.rounds; i++)
            vmmRound();
        sem_post(&vmm.done);
    }
    return NULL;
}


void
vmmStart(int cpu)
{
    const vmmWork first = { .kernel_turns = 1, .user_turns = 1, .rounds = 1 };
    const struct sched_param ordinary = { 0 };
    pthread_attr_t attr;
    pthread_t thread;
    cpu_set_t cpus;

    vmmCreate();
    sem_init(&vmm.begin, 0, 0);
    sem_init(&vmm.done, 0, 0);
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
    pthread_attr_setschedparam(&attr, &ordinary);
    if (pthread_create(&thread, &attr, vmmThread, NULL) != 0 ||
        pthread_setname_np(thread, "CPU 0/KVM") != 0)
        errx(99, "no thread for the vCPU");
    vmm.idle = true;
    vmmRun(&first);
}


void
vmmBegin(const vmmWork *work)
{
    if (!vmm.idle)
        errx(99, "the guest runs already");
    vmm.idle = false;
    vmm.work = *work;
    sem_post(&vmm.begin);
}


bool
vmmDone(void)
{
    if (!vmm.idle)
        vmm.idle = sem_trywait(&vmm.done) == 0;
    return vmm.idle;
}


void
vmmWait(void)
{
    while (!vmm.idle)
        vmm.idle = sem_wait(&vmm.done) == 0;
}


static bool
vmmBetween(uint64_t ip,
           const uint8_t *begin,
           const uint8_t *end)
{
    return ip >= MEMORY + (begin - vmmGuestCode) && ip < MEMORY + (end - vmmGuestCode);
}


bool
vmmInKernel(uint64_t ip)
{
    return vmmBetween(ip, vmmGuestCode, vmmGuestKernelEnd);
}


bool
vmmInUser(uint64_t ip)
{
    return vmmBetween(ip, vmmGuestUser, vmmGuestUserEnd);
}
