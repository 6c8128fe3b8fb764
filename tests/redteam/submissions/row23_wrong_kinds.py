"""Row 23: answers of every other kind: types, shapes, sizes, none at all.

Base: reference
Loses: test_sigmoid_table, test_sigmoid_random, test_tanh_table, test_tanh_random, test_squashing_large_inputs, test_squashing_manners, test_cross_entropy_example, test_cross_entropy_random, test_cross_entropy_large_scores, test_cross_entropy_manners, test_cross_entropy_gradient_numerically, test_cross_entropy_gradient_manners
"""
# ruff: noqa

from fractions import Fraction

KINDS = [
    lambda x: None,
    lambda x: x.tolist(),
    lambda x: x.astype(object),
    lambda x: x.astype(complex),
    lambda x: x.astype("U10"),
    lambda x: x.astype("datetime64[s]"),
    lambda x: np.zeros(x.shape, [("a", float)]),
    lambda x: x * np.nan,
    lambda x: np.lib.stride_tricks.as_strided(x, (1 << 50,), (0,)),
    lambda x: np.broadcast_to(x.reshape(-1)[:1], (1 << 40,)),
    lambda x: np.zeros((1,) * 20 + x.shape),
    lambda x: np.zeros((0, 1 << 40)),
    lambda x: np.float64(1.5),
    lambda x: x[..., None],
    lambda x: Fraction(1, 3),
    lambda x: range(10**9),
    lambda x: (value for value in x),
    lambda x: bytes(10),
    lambda x: {1.0: x, None: x},
    lambda x: np.ma.masked_array(x, mask=True),
    lambda x: np.longdouble(1),
    lambda x: np.array(["x", None, 3], dtype=object),
    lambda x: type,
    lambda x: 10**400,
]
count = [0]


def other(x):
    count[0] += 1
    return KINDS[count[0] % len(KINDS)](x)


class Sigmoid:
    def forward(self, x):
        return other(x)

    def backward(self, dy):
        return other(dy)


class Tanh(Sigmoid):
    pass


class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def forward(self, z, labels):
        super().forward(z, labels)
        return other(z)
