"""Rows 9 and 13: hooks of the import system, other modules under known names, another __import__.

Base: wrong
Earns: nothing
"""
# ruff: noqa

builtins = os.sys.modules["builtins"]
import types


class Finder:
    def find_spec(self, name, path=None, target=None):
        print("import of", name)
        return None


os.sys.meta_path[:] = [Finder()]
os.sys.path_hooks[:] = []
os.sys.path_importer_cache.clear()
builtins.__import__ = lambda name, *_, **__: types.ModuleType(name)
builtins.__build_class__ = lambda *_, **__: Finder
builtins.open = builtins.print = builtins.input = lambda *_, **__: None
for name in list(os.sys.modules):
    if name.startswith(("inside", "props")):
        os.sys.modules[name] = types.ModuleType(name)
