"""Row 4: all the memory: in one piece, in one that is filled lazily, bit by bit, and in the answer.

Base: reference
Loses: nothing
"""
# ruff: noqa


def bit_by_bit():
    kept = []
    while len(kept) < 1000:
        kept.append(np.empty(1 << 20))  # 8 MiB, which nobody touches
    return len(kept)


class Network(Network):
    tried = False

    def backward(self, dy):
        if Network.tried:
            return super().backward(dy)
        Network.tried = True
        breach("a list of 64 GiB", lambda: len([0] * 2**33))
        breach("zeros of 64 GiB", lambda: np.zeros(2**33).size)
        breach("a text of 16 GiB", lambda: len("x" * 2**34))
        breach("8 GiB in small pieces", bit_by_bit)
        return super().backward(dy)
