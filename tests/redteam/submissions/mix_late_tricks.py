"""Rows 6, 7 and 8: what runs later: finalizers, callbacks of the collector, hooks of exceptions and of the end.

Base: reference
Loses: nothing
"""
# ruff: noqa

gc = load("gc")


def late(*_, **__):
    breach("fork", lambda: os.fork())
    breach("the secret", lambda: open(PLACES["secret"]).read())
    print("late")


class Trap:
    def __del__(self):
        late()
        raise RuntimeError("from a finalizer")


gc.callbacks.append(late)
os.sys.excepthook = os.sys.unraisablehook = os.sys.displayhook = os.sys.breakpointhook = late
load("atexit").register(late)
load("weakref").finalize(np, late)


class Network(Network):
    def __init__(self, layers):
        super().__init__(layers)
        Trap()
        gc.collect()
