"""Row 26: raise the limits, leave the jail, become somebody else.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa

resource = load("resource")
for name in [name for name in dir(resource) if name.startswith("RLIMIT_")]:
    number = getattr(resource, name)
    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    breach(f"raise {name}", lambda: resource.setrlimit(number, infinite) or "raised")
    breach(f"{name} of the parent", lambda: resource.prlimit(os.getppid(), number, (1, 1)))
for user in (0, 65534, 1000):
    breach(f"user {user}", lambda: os.setuid(user) or "done")
    breach(f"group {user}", lambda: os.setgid(user) or "done")
breach("groups", lambda: os.setgroups([0]) or "done")
breach("another root", lambda: os.chroot("/"))
breach("another folder", lambda: os.chdir("/tmp"))
breach("a namespace", lambda: raw("unshare", 0x10000000))
breach("a mount", lambda: raw("mount", text("none"), text("/tmp"), text("tmpfs"), 0, 0))
breach("dumpable", lambda: raw("prctl", 4, 1, 0, 0, 0))
breach("another filter", lambda: raw("prctl", 22, 2, 0, 0, 0))
breach("a key", lambda: raw("keyctl", 0, -1, 0, 0, 0))
breach("a module of the kernel", lambda: raw("finit_module", 0, text(""), 0))
breach("a program of the kernel", lambda: raw("bpf", 0, 0, 0))
breach("the host's name", lambda: raw("sethostname", text("x"), 1))
breach("the clock", lambda: load("time").clock_settime(0, 0))
