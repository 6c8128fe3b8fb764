"""Rows 17 and 23: numbers, texts and nests of sizes that take long to read or to write.

Base: reference
Loses: test_softmax_example, test_softmax_random, test_softmax_large_scores, test_softmax_manners
"""
# ruff: noqa


def nested(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


ANSWERS = [
    lambda: 10 ** (10**6),
    lambda: "x" * 10**8,
    lambda: nested(10**5),
    lambda: [0.1] * 10**6,
    lambda: [np.zeros(100, complex) for _ in range(20_000)],
    lambda: {i: nested(30) for i in range(999)},
    lambda: "\x00\ud800" * 10**5,
    lambda: ValueError("x" * 10**8),
]
count = [0]


def softmax(z):
    count[0] += 1
    answer = ANSWERS[count[0] % len(ANSWERS)]()
    if isinstance(answer, Exception):
        raise answer
    return answer
