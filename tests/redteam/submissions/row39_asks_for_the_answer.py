"""Row 39: guess, guess again in every later call, and quote the questions in the hope of an answer.

Base: wrong
Earns: nothing
"""
# ruff: noqa

guesses = [0]


class Sigmoid:
    def forward(self, x):
        guesses[0] += 1
        return np.full(x.shape, guesses[0] / 10, x.dtype)

    def backward(self, dy):
        raise ValueError(f"the question was {dy!r}, what is the answer?")


class Tanh(Sigmoid):
    pass


class ReLU(Sigmoid):
    pass
