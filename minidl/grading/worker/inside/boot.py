"""Start of the interpreter that workers live in: ``python -s -S -B boot.py CONFIG``.

The interpreter knows the standard library and the packages that CONFIG, a JSON object, names with their folders:
no site-packages, no user's packages, not the folder it was started in. -I would also ignore the seed of the
hashes, which has to be the same on every run; the environment it gets holds nothing of the user's anyway.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Load the packages of the configuration and this folder, then serve."""
    import json

    config = json.loads(sys.argv[1])
    add_packages(config["packages"])
    load_folder()
    from inside import server  # type: ignore[import-not-found]

    if config["mode"] == "fork":
        server.serve(config)
    else:
        server.alone(config)


def add_packages(packages: dict[str, str]) -> None:
    """Let `import` find each package by its own path, and nothing else that lies beside it."""
    import importlib.util
    import os

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name not in packages:
                return None
            place = packages[name]
            if os.path.isdir(place):
                start = os.path.join(place, "__init__.py")
                return importlib.util.spec_from_file_location(name, start, submodule_search_locations=[place])
            return importlib.util.spec_from_file_location(name, place)

    sys.meta_path.insert(0, Finder)


def load_folder() -> None:
    """Make the package ``inside`` of the folder this file lies in."""
    import importlib.util
    import os

    folder = os.path.dirname(os.path.abspath(__file__))
    start = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location("inside", start, submodule_search_locations=[folder])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["inside"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    # The folder of a script is the first place modules are looked for, unless Python was told not to (-P).
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    main()
