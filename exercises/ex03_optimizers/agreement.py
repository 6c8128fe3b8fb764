"""The reference of this exercise and the library take the same steps."""

import numpy as np

import minidl
from minidl import schedules
from minidl.layers import Parameter


def agree_on_steps(submission, rng):
    for name, numbers in (
        ("SGD", {}),
        ("Momentum", {"momentum": 0.8}),
        ("Nesterov", {"momentum": 0.8}),
        ("Adagrad", {"eps": 1e-3}),
        ("RMSProp", {"gamma": 0.7, "eps": 1e-3}),
        ("Adam", {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3}),
    ):
        w = rng.normal(size=(3, 2))
        parameter = Parameter(w.copy())
        ours, theirs, handle = (
            getattr(minidl, name)(0.1, **numbers),
            submission.new(name, 0.1, **numbers),
            submission.array(w),
        )
        for t in range(5):
            ours.lr = theirs.lr = 0.1 / (1 + t)
            parameter.grad = rng.normal(size=w.shape)
            theirs.update(handle, parameter.grad)
            ours.step([("weight", parameter)])
            np.testing.assert_allclose(handle.value(), parameter.value, rtol=1e-9, atol=1e-12, err_msg=name)


def agree_on_schedules(submission, rng):
    steps, length = 20, int(rng.integers(1, 6))
    # A step of the exercise is a fraction of the whole training in the library.
    stairs = schedules.StepDecay(0.4, factor=0.3, every=5 / steps)
    curve = schedules.Cosine(0.4, final=0.01)
    whole = schedules.Warmup(
        schedules.Cosine(0.4), fraction=length / (steps + length), start=1 / (length + 1)
    )
    table = submission.prop("Rates", [schedules.Cosine(0.4)(t / steps) for t in range(steps)])
    for t in range(steps):
        np.testing.assert_allclose(
            submission.call("step_decay", t, 0.4, 5, 0.3), stairs(t / steps), rtol=1e-12
        )
        np.testing.assert_allclose(
            submission.call("cosine", t, 0.4, steps, 0.01), curve(t / steps), rtol=1e-12
        )
        found = submission.call("warmup", t, length, table.at)
        np.testing.assert_allclose(found, whole(t / (steps + length)), rtol=1e-9)
