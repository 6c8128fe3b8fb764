"""Rows 15 and 17: the streams replaced, closed, and turned into each other.

Base: reference
Loses: nothing
"""
# ruff: noqa


class Stream:
    def __getattr__(self, name):
        raise RuntimeError(f"a stream without {name}")


tried("", lambda: os.dup2(1, 4))
tried("", lambda: os.dup2(4, 1))
os.sys.stdout = os.sys.stderr = os.sys.stdin = Stream()
os.sys.__stdout__ = os.sys.__stderr__ = None
os.close(0)
os.close(1)
os.close(2)
