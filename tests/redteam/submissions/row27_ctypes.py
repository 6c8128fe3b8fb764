"""Row 27: past Python: every system call by number that is not needed for computing, code made of data, and
somebody else's numbering of the calls.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa

for name in CALLS:
    breach(f"system call {name}", lambda: raw(name, 0, 0, 0, 0, 0, 0))
breach("code in memory", lambda: raw("mmap", 0, 4096, 7, 0x22, -1, 0))
breach("code out of data", lambda: raw("mprotect", page(), 4096, 5))
breach("a library", lambda: ctypes.CDLL(None, use_errno=True).dlopen(text("libutil.so.1"), 2) or 1 / 0)
breach("a call of C", lambda: succeeded(ctypes.PyDLL(None).system(b"true")))
