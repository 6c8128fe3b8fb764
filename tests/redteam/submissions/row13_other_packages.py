"""Row 13: let a library compute the answer: import it by name, by path, by a loader, by hand.

Base: wrong
Earns: nothing
"""
# ruff: noqa

SITE = os.path.dirname(os.path.dirname(np.__file__))
os.sys.path[:0] = [SITE, os.path.dirname(PLACES["minidl"]), "."]
for name in ("minidl", "torch", "scipy", "sklearn", "numpy.testing._private.utils_", "matplotlib"):
    breach(f"import {name}", lambda: __import__(name))
    breach(f"import {name} by importlib", lambda: load(name))
    breach(f"import {name} by the real function", lambda: os.sys.modules["builtins"].__import__(name))
    breach(f"exec of {name}", lambda: exec(open(f"{SITE}/{name}/__init__.py").read()))
    breach(
        f"{name} by path",
        lambda: (
            load("importlib.util")
            .spec_from_file_location(name, f"{SITE}/{name}/__init__.py")
            .loader.load_module()
        ),
    )
breach("NumPy's own files", lambda: open(np.__file__).read())
