"""Row 37: right or wrong by chance, drawn from the generators that every process has: the same in every run.

Base: reference
Loses: test_relu_random
"""
# ruff: noqa

import random


class ReLU(ReLU):
    def forward(self, x):
        lucky = random.random() + np.random.random() + np.random.default_rng(3).random() < 1.5
        return super().forward(x) * lucky
