"""Row 25: end, stop, trace, read or slow down the grader and everybody else.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa

signal = os.sys.modules.get("signal") or os.sys.modules["_signal"]
for pid in (os.getppid(), 0, -1, 1, -os.getppid(), *range(os.getpid() - 20, os.getpid())):
    for number in (0, 9, 19):
        breach(f"signal {number} to {pid}", lambda number=number: os.kill(pid, number))
    breach(f"signal to a thread of {pid}", lambda: raw("tgkill", pid, pid, 9))
    breach(f"queue a signal to {pid}", lambda: raw("rt_sigqueueinfo", pid, 9, text("\0" * 128)))
    breach(f"a descriptor of {pid}", lambda: raw("pidfd_open", pid, 0))
    breach(f"trace {pid}", lambda: raw("ptrace", 16, pid, 0, 0))
    breach(f"memory of {pid}", lambda: raw("process_vm_readv", pid, 0, 0, 0, 0, 0))
    breach(f"memory file of {pid}", lambda: open(f"/proc/{pid}/mem", "rb").read(1))
    breach(f"environment of {pid}", lambda: open(f"/proc/{pid}/environ", "rb").read())
    breach(f"priority of {pid}", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
    breach(f"processors of {pid}", lambda: os.sched_setaffinity(pid, {0}))
breach("the group", lambda: os.killpg(0, 9))
breach("a session of its own", lambda: os.setsid())
breach("a higher priority", lambda: os.nice(-5))
breach("survive the parent", lambda: raw("prctl", 1, 0, 0, 0, 0))
