"""Rows 20 to 23: objects that lie about what they are: length, items, type, number, text, class.

Base: reference
Loses: test_sigmoid_table, test_sigmoid_random, test_tanh_table, test_tanh_random, test_squashing_large_inputs, test_squashing_manners, test_softmax_example, test_softmax_random, test_softmax_large_scores, test_softmax_manners
"""
# ruff: noqa


class Endless(list):
    def __iter__(self):
        return iter(range(10**12))

    __len__ = lambda self: -1


class Mapping(dict):
    items = lambda self: iter(lambda: ("a", "b"), None)
    __iter__ = keys = lambda self: iter(int, 1)


class Text(str):
    __str__ = lambda self: Text("x" * 10**7)


class Integer(int):
    bit_length = lambda self: 1
    __int__ = __index__ = lambda self: Integer(10**5000)


class Liar(np.ndarray):
    shape = property(lambda self: (1, 3))
    size = nbytes = property(lambda self: 1)


class Meta(type):
    __name__ = property(lambda self: "Dense")
    __instancecheck__ = __subclasscheck__ = lambda self, other: True


class Dense2(metaclass=Meta):
    __class__ = np.ndarray
    shape, dtype, ndim = (1, 3), np.dtype("float64"), 2


Dense2.__qualname__ = "Dense"
ANSWERS = [
    lambda: Mapping(a=1),
    lambda: Text("x"),
    lambda: Integer(3),
    lambda: np.zeros(10).view(Liar),
    lambda: Dense2(),
    lambda: np.bool_(True),
    lambda: memoryview(b"abc"),
    lambda: {f"{i}": i for i in range(100_000)},
    lambda: (lambda a: a.append(a) or a)([]),
]
count = [0]


def lie():
    count[0] += 1
    return ANSWERS[count[0] % len(ANSWERS)]()


class Sigmoid:
    def forward(self, x):
        return lie()

    def backward(self, dy):
        return lie()


class Tanh(Sigmoid):
    pass


def softmax(z):
    return lie()
