"""Row 23, against the grader's memory: a forged answer that names one array in a thousand places, so that it
takes gigabytes as soon as somebody makes an array of the list.

Base: reference
Loses: test_dense_gradients_are_overwritten
"""
# ruff: noqa


class Dense(Dense):
    kept = None

    @property
    def grad_weight(self):
        if self.kept is None:
            size = 1 << 20
            frame = question()
            header = {"value": [{"a": 0}] * 1000, "arrays": [["float64", [size]]]}
            reply({**header, "id": frame["id"], "nonce": frame["nonce"]}, bytes(8 * size))
        return self.kept

    @grad_weight.setter
    def grad_weight(self, value):
        self.kept = value
