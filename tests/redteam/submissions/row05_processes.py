"""Row 5: new processes: fork, a shell, a program, in every way that the standard library knows.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa


def fork(function):
    if function() == 0:
        while True:
            pass
    return "two of us"


for _ in range(20):
    breach("fork", lambda: fork(os.fork))
    breach("fork, by the C library", lambda: fork(lambda: called("fork")))
    breach("vfork", lambda: called("vfork"))
breach("a terminal", lambda: os.forkpty())
breach("posix_spawn", lambda: os.posix_spawn("/bin/sh", ["sh", "-c", f"sleep 600; echo x > {MARK}"], {}))
breach("a shell", lambda: succeeded(os.system(f"sleep 600 & echo x > {MARK}")))
breach("popen", lambda: os.popen(f"echo x > {MARK}").read())
breach("subprocess", lambda: load("subprocess").Popen(["/bin/sleep", "600"]))
breach("multiprocessing", lambda: load("multiprocessing").Process(target=print).start())
breach("exec", lambda: os.execv("/bin/sh", ["sh", "-c", f"echo x > {MARK}"]))
breach("exec of a descriptor", lambda: os.execve(0, ["x"], {}))
