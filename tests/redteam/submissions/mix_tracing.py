"""Rows 11 and 16: look over the worker's shoulder: trace and profile functions, audit hooks, changed frames.

Base: reference
Loses: nothing
"""
# ruff: noqa


def spy(frame, event, argument):
    for name, value in frame.f_locals.items():
        if isinstance(value, str) and value.startswith("".join(("CAN", "ARY-"))):
            print("BREACH", name, value)
    return spy


os.sys.settrace(spy)
os.sys.setprofile(spy)
os.sys.addaudithook(lambda event, arguments: None)
for frame in frames():
    frame.f_trace = spy
    for name in ("passed", "points", "status", "score", "result"):
        frame.f_globals[name] = 40
os.sys.setswitchinterval(1e-6)
