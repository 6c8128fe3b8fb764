"""Row 12: read a secret of the user who grades, the private tests, the reference, somebody else's submission and
the record with the seed; or only learn that they are there, and how large.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa

for name, path in PLACES.items():
    breach(f"read {name}", lambda: open(path).read())
    breach(f"read {name} without Python", lambda: os.read(os.open(path, os.O_RDONLY), 100))
    breach(f"read {name} as an array", lambda: np.fromfile(path, np.uint8, 100).tobytes())
    breach(f"read {name} by mapping", lambda: np.memmap(path, mode="r")[:100].tobytes())
    breach(f"read {name} as a text of numbers", lambda: np.genfromtxt(path, dtype=str))
    breach(f"size of {name}", lambda: os.stat(path).st_size)
    breach(f"existence of {name}", lambda: os.access(path, os.F_OK) or 1 / 0)
    breach(f"folder of {name}", lambda: os.listdir(os.path.dirname(path)))
    breach(f"link to {name}", lambda: os.symlink(path, MARK))
    breach(
        f"{name} as a module", lambda: load("importlib.machinery").SourceFileLoader("m", path).load_module()
    )
    breach(f"{name} by ctypes", lambda: raw("open", text(path), 0))
    breach(f"{name} by openat", lambda: raw("openat", -100, text(path), 0))
    breach(f"{name} by openat2", lambda: raw("openat2", -100, text(path), text("\0" * 24), 24))
for path in ("/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/proc/1/cmdline", "/root/.bashrc", "/"):
    breach(f"read {path}", lambda: open(path).read(100))
    breach(f"list {path}", lambda: os.listdir(path))
# what somebody forgot to close, other than the two pipes and the end of the output
for number in range(3, 1200):
    if number not in (3, 4):
        breach(f"descriptor {number}", lambda number=number: os.get_inheritable(number))
breach("the environment", lambda: {k: v for k, v in os.environ.items()} or 1 / 0)
breach("the environment of the C library", lambda: c_text("getenv", "REDTEAM_CANARY"))
