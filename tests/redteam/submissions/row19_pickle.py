"""Row 19: answers that do something when they are unpickled, copied or loaded.

Base: reference
Loses: test_tanh_table, test_tanh_random, test_squashing_large_inputs, test_squashing_manners
"""
# ruff: noqa


class Bomb:
    def __reduce__(self):
        return (os.system, (f"echo x > {MARK}",))

    __reduce_ex__ = lambda self, version: self.__reduce__()
    __copy__ = __deepcopy__ = __getstate__ = lambda self, *_: self.__reduce__()


class Tanh:
    answers = [
        lambda x: Bomb(),
        lambda x: np.array([Bomb()], dtype=object),
        lambda x: load("pickle").dumps(Bomb()),
        lambda x: np.array([b"cos\nsystem\n(S'true'\ntR."], dtype="S40"),
        lambda x: {"__class__": "Bomb", "py/object": "os.system"},
    ]
    count = 0

    def forward(self, x):
        Tanh.count += 1
        return Tanh.answers[Tanh.count % len(Tanh.answers)](x)
