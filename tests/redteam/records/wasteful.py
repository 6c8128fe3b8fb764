"""Right answers by other means than asked for, and forged records of how they were found. Appended to the reference.

`numerical_gradient` asks three times for each entry, `check_layer` measures with a parameter moved aside and in float32
at times, `check_loss` hands float32 to the loss as well. Each of them then rewrites whatever could be a record.
"""
# ruff: noqa

import typing

sys = typing.sys
right = {"numerical_gradient": numerical_gradient, "check_layer": check_layer, "check_loss": check_loss}
RECORDS = {"calls": 24, "types": ["float64"], "moved": 1, "count": {"24": 24}, "latest": "24"}


def forge(*things):
    """Write what a test would like to read into everything that can be reached from here."""
    for thing in things:
        for found in (thing, getattr(thing, "__self__", None), type(thing)):
            for name, value in RECORDS.items():
                try:
                    setattr(found, name, value)
                except Exception:
                    pass
        for cell in getattr(thing, "__closure__", None) or ():
            forge_dict(getattr(cell.cell_contents, "__dict__", {}))
    props = sys.modules.get("props")
    for kind in list(vars(props).values()) if props else ():
        if isinstance(kind, type):
            for name, value in RECORDS.items():
                setattr(kind, name, value)
    frame = sys._getframe()
    while frame is not None:
        forge_dict(frame.f_locals)
        frame = frame.f_back


def forge_dict(names):
    for name, value in RECORDS.items():
        if name in names:
            try:
                names[name] = value
            except Exception:
                pass


def numerical_gradient(f, x, h=STEP):
    def wasteful(value):
        again = f(np.array(value))
        return 0.5 * (again + f(value)) if sys._getframe(1).f_code.co_name == "numerical_gradient" else again

    found = right["numerical_gradient"](wasteful, x, h)
    forge(f, wasteful)
    return found


def check_layer(layer, x, dy, names=()):
    found = right["check_layer"](layer, x, dy, names)
    for name in names:
        own = getattr(layer, name)
        setattr(layer, name, own + 1)
        layer.forward(np.array(x, np.float64))
        setattr(layer, name, own)
    layer.forward(np.array(x, np.float32))
    layer.backward(np.array(dy, np.float64))
    forge(layer, layer.forward, layer.backward)
    return found


def check_loss(loss, outputs, targets):
    found = right["check_loss"](loss, outputs, targets)
    loss.forward(np.array(outputs, np.float32), targets)
    forge(loss, loss.forward)
    return found
