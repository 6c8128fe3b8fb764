"""Row 35: leave marks for later tasks, submissions and runs, and say so if one is found.

Base: reference
Loses: nothing
"""
# ruff: noqa

builtins = os.sys.modules["builtins"]
for place in (np, np.random, os, builtins, os.sys, os.sys.modules["json"], ctypes):
    if hasattr(place, "redteam_was_here"):
        print(f"BREACH {place} still has the mark")
        raise SystemExit("the mark of another process")
    place.redteam_was_here = True
os.environ["REDTEAM_WAS_HERE"] = "1"
np.random.seed(7)
np.seterr(all="ignore")
np.set_printoptions(precision=1)

tasks = set()


def note(task):
    """Say so if this process has seen another task."""
    tasks.add(task)
    if len(tasks) > 1:
        print(f"BREACH one process for {tasks}")


class Tanh(Tanh):
    def forward(self, x):
        note("1.3")
        return super().forward(x)


class ReLU(ReLU):
    def forward(self, x):
        note("1.4")
        return super().forward(x)


class Network(Network):
    def forward(self, x):
        note("1.8")
        return super().forward(x)
