"""What every attacker has at hand; put in front of each hostile submission, never imported here.

`PLACES` (paths of what must stay secret), `MARK` (a path to leave a trace at) and `PORT` are filled in by the tests:
an attacker may know all that.
"""

import typing

import numpy as np  # noqa: F401 (what the submissions use)

PLACES = {}
MARK = ""
PORT = 0

# The list of allowed imports is for good messages, and no boundary: this is one of the ways around it.
os = typing.sys.modules["os"]
ctypes = typing.sys.modules["ctypes"]

# Numbers of system calls, on x86_64 and aarch64, that computing does not need.
CALLS = {
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None), "stat": (4, None),
    "statx": (332, 291), "newfstatat": (262, 79), "readlink": (89, None), "getdents64": (217, 61),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "socket": (41, 198), "socketpair": (53, 199),
    "connect": (42, 203), "bind": (49, 200), "sendto": (44, 206), "sendmsg": (46, 211), "recvmsg": (47, 212),
    "fork": (57, None), "vfork": (58, None), "clone": (56, 220), "clone3": (435, 435), "execve": (59, 221),
    "execveat": (322, 281), "kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "prctl": (157, 167), "seccomp": (317, 277), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "bpf": (321, 280), "keyctl": (250, 219), "finit_module": (313, 273), "sethostname": (170, 161),
    "inotify_init1": (294, 26), "memfd_create": (319, 279), "shmget": (29, 194), "msgget": (68, 186),
    "mq_open": (240, 180), "semget": (64, 190), "io_uring_setup": (425, 425), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "timer_create": (222, 107), "timerfd_create": (283, 85), "setitimer": (38, 103),
    "eventfd2": (290, 19), "epoll_create1": (291, 20), "ioctl": (16, 29), "ftruncate": (77, 46),
    "personality": (135, 92), "setpriority": (141, 140), "sched_setaffinity": (203, 122),
    "splice": (275, 76), "vmsplice": (278, 75), "copy_file_range": (326, 285), "landlock_create_ruleset": (444, 444),
}  # fmt: skip


def load(name):
    return typing.sys.modules["importlib"].import_module(name)


def breach(what, action):
    """Try what must not be possible, and print the word that the tests look for if it is."""
    try:
        result = action()
    except BaseException:
        return
    print(f"BREACH {what}: {result!r}"[:300])


def tried(what, action):
    """Try what may be possible."""
    try:
        return action()
    except BaseException as error:
        return f"{what}: {type(error).__name__}"


def succeeded(code):
    if code != 0:
        raise OSError(code, "refused")
    return "done"


def text(value):
    return ctypes.create_string_buffer(value.encode())


def raw(name, *arguments):
    """Make a system call without the help of Python or of the library."""
    number = CALLS[name][{"x86_64": 0, "aarch64": 1}[os.uname().machine]]
    if number is None:
        raise OSError(0, "this processor has no such call")
    code = ctypes.PyDLL(None, use_errno=True)
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    ctypes.set_errno(0)
    result = code.syscall(ctypes.c_long(number), *values)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def called(name):
    """Call a function of the C library that has no arguments."""
    result = getattr(ctypes.PyDLL(None), name)()
    if result == -1:
        raise OSError(0, "refused")
    return result


def c_text(name, argument):
    """Call a function of the C library that takes and returns a text."""
    function = getattr(ctypes.PyDLL(None), name)
    function.restype = ctypes.c_char_p
    return function(argument.encode()).decode()


def page():
    """Return the address of a page of data."""
    memory = load("mmap").mmap(-1, 8192)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def frames():
    found, frame = [], os.sys._getframe(1)
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def question():
    """Return the request that is being answered: its number and its nonce."""
    for frame in frames():
        found = frame.f_locals.get("request")
        if isinstance(found, dict) and "nonce" in found:
            return found
    raise LookupError("no request")


def reply(header, body=b""):
    """Write an answer in place of the worker."""
    header = {"arrays": [], **header}
    encoded = load("json").dumps(header).encode()
    data = memoryview(len(encoded).to_bytes(4, "little") + len(body).to_bytes(4, "little") + encoded + body)
    while data:
        data = data[os.write(4, data) :]
