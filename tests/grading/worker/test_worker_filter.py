"""The system-call filter, run by a small interpreter of its language, for both processors it is written for.

The numbers of the calls that must be refused are those of the kernel's tables (arch/x86/entry/syscalls and
include/uapi/asm-generic/unistd.h).
"""

import pytest

from minidl.grading.worker.inside import seccomp

X86, ARM = "x86_64", "aarch64"
AUDIT = {X86: 0xC000003E, ARM: 0xC00000B7}
ALLOW, REFUSE, KILL = "allow", "refuse", "kill"

# name: numbers on x86_64 and aarch64.
REFUSED = {
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None), "stat": (4, None),
    "newfstatat": (262, 79), "statx": (332, 291), "access": (21, None), "faccessat": (269, 48), "readlinkat": (267, 78),
    "getdents64": (217, 61), "chdir": (80, 49), "unlinkat": (263, 35), "mkdirat": (258, 34), "renameat2": (316, 276),
    "linkat": (265, 37), "symlinkat": (266, 36), "fchmod": (91, 52), "fchmodat": (268, 53), "fchownat": (260, 54),
    "utimensat": (280, 88), "truncate": (76, 45), "mount": (165, 40), "chroot": (161, 51), "mknodat": (259, 33),
    "open_by_handle_at": (304, 265), "memfd_create": (319, 279), "ioctl": (16, 29), "inotify_init1": (294, 26),
    "clone": (56, 220), "clone3": (435, 435), "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "execveat": (322, 281), "unshare": (272, 97), "setns": (308, 268), "kill": (62, 129), "tkill": (200, 130),
    "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "socket": (41, 198),
    "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "sendmsg": (46, 211), "sendto": (44, 206),
    "setrlimit": (160, 164), "setuid": (105, 146), "setgid": (106, 144), "setresuid": (117, 147), "capset": (126, 91),
    "prctl": (157, 167), "seccomp": (317, 277), "personality": (135, 92), "setpriority": (141, 140),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "shmget": (29, 194), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180), "add_key": (248, 217), "keyctl": (250, 219), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "init_module": (175, 105),
    "reboot": (169, 142), "settimeofday": (170, 170), "clock_settime": (227, 112), "acct": (163, 89),
    "setitimer": (38, 103), "timer_create": (222, 107), "pkey_mprotect": (329, 288), "shmat": (30, 196),
    "remap_file_pages": (216, 234), "splice": (275, 76), "sendfile": (40, 71), "pipe2": (293, 59), "setsid": (112, 157),
}  # fmt: skip
NEEDED = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "munmap": (11, 215), "brk": (12, 214), "futex": (202, 98),
    "madvise": (28, 233), "mremap": (25, 216), "getrandom": (318, 278), "clock_gettime": (228, 113),
    "exit_group": (231, 94), "rt_sigreturn": (15, 139), "clock_nanosleep": (230, 115),
}  # fmt: skip
PLACE = {X86: 0, ARM: 1}


def run(steps, number, arguments=(), audit=AUDIT[X86]):
    """What the filter says to a system call."""
    arguments = [*arguments, *[0] * (6 - len(arguments))]
    data = number.to_bytes(4, "little") + audit.to_bytes(4, "little") + bytes(8)
    data += b"".join(value.to_bytes(8, "little") for value in arguments)
    at, word = 0, 0
    while True:
        code, yes, no, constant = steps[at]
        at += 1
        if code == 0x06:
            return {0x7FFF0000: ALLOW, 0x00050000 | 13: REFUSE, 0x80000000: KILL}[constant]
        if code == 0x20:
            word = int.from_bytes(data[constant : constant + 4], "little")
            continue
        taken = {0x15: word == constant, 0x35: word >= constant, 0x45: bool(word & constant)}[code]
        at += yes if taken else no


@pytest.fixture(scope="module", params=[X86, ARM])
def call(request):
    """Ask the filter of a worker that reads nothing: ``call(name, arguments)``."""
    machine = request.param
    steps = seccomp.program(machine, reading=False)
    names = {**seccomp.READING, **seccomp.ALWAYS, **REFUSED, **NEEDED}
    special = {"mmap": (9, 222), "mprotect": (10, 226), "fcntl": (72, 25), "prlimit64": (302, 261)}

    def call(name, *arguments):
        number = {**names, **special}[name][PLACE[machine]]
        return None if number is None else run(steps, number, arguments, AUDIT[machine])

    call.machine = machine
    return call


def test_the_list_is_of_what_is_needed_and_nothing_that_can_do_harm(call):
    assert {name for name in REFUSED if call(name) not in (REFUSE, None)} == set()
    assert {name for name in NEEDED if call(name) != ALLOW} == set()
    assert {name for name in seccomp.READING if call(name) not in (REFUSE, None)} == set()


def test_every_number_that_is_not_listed_is_refused(call):
    steps = seccomp.program(call.machine, reading=False)
    listed = {numbers[PLACE[call.machine]] for numbers in seccomp.ALWAYS.values()}
    conditional = {X86: {9, 10, 72, 302}, ARM: {222, 226, 25, 261}}[call.machine]
    open_ = {
        n for n in range(600) if n not in conditional and run(steps, n, audit=AUDIT[call.machine]) == ALLOW
    }
    assert open_ == listed - {None}


def test_memory_is_never_made_executable(call):
    for name in ("mmap", "mprotect"):
        assert [call(name, 0, 4096, prot) for prot in range(8)] == [ALLOW] * 4 + [REFUSE] * 4


def test_descriptors_can_be_copied_and_nothing_else(call):
    allowed = {command for command in range(2000) if call("fcntl", 1, command) == ALLOW}
    assert allowed == {0, 1, 2, 3, 1030}  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC


def test_limits_can_be_read_and_not_set(call):
    assert call("prlimit64", 0, 7, 0, 0x7FFF12345678) == ALLOW
    assert call("prlimit64", 0, 7, 0x7FFF12345678, 0) == REFUSE
    assert call("prlimit64", 0, 7, 0x5600000000, 0) == REFUSE  # the low half of the pointer is zero
    assert call("prlimit64", 1, 7, 0, 0x7FFF12345678) == REFUSE


def test_calls_of_another_architecture_end_the_process(call):
    steps = seccomp.program(call.machine, reading=False)
    assert run(steps, 0, audit=0x40000003) == KILL  # i386
    assert run(steps, 0, audit=AUDIT[{X86: ARM, ARM: X86}[call.machine]]) == KILL


def test_the_other_numbers_of_x86_end_the_process():
    assert run(seccomp.program(X86, reading=False), 0x40000000 | 59) == KILL


def test_reading_adds_what_an_import_needs():
    steps = seccomp.program(X86, reading=True)
    assert {name for name, (number, _) in seccomp.READING.items() if run(steps, number) != ALLOW} == set()
    assert run(steps, 9, (0, 4096, 5)) == ALLOW
    never = {
        name
        for name, (number, _) in REFUSED.items()
        if name not in seccomp.READING and run(steps, number) != REFUSE
    }
    assert never == set()


def test_no_jump_leaves_the_program():
    for machine in (X86, ARM):
        for reading in (False, True):
            steps = seccomp.program(machine, reading=reading)
            for at, (code, yes, no, _) in enumerate(steps):
                assert 0 <= yes < 256 and 0 <= no < 256
                assert code in (0x06, 0x20) or max(yes, no) + at + 1 < len(steps)
