"""Row 6: threads that would go on when the test is over.

Base: reference
Loses: nothing
"""
# ruff: noqa


def forever():
    while True:
        pass


breach("a thread", lambda: load("threading").Thread(target=forever, daemon=True).start())
breach("a bare thread", lambda: os.sys.modules["_thread"].start_new_thread(forever, ()))
breach("a pool", lambda: load("concurrent.futures.thread").ThreadPoolExecutor(2).submit(forever))
breach("a timer", lambda: load("signal").setitimer(0, 0.01))
breach("an alarm", lambda: load("signal").alarm(1) != 2**32 - 1 or 1 / 0)
