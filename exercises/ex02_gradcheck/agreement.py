"""The reference of this exercise and the library's gradient checker come to the same verdicts."""

import numpy as np

import minidl
from minidl.gradcheck.differences import STEP
from minidl.grading.numeric import central_differences


def agree_on_gradients(submission, rng):
    c = rng.uniform(0.5, 2, size=(2, 3))
    x = rng.normal(size=(2, 3))
    theirs = submission.call("numerical_gradient", submission.prop("Waves", c).value, x)
    ours = central_differences(
        lambda v: np.sum(c * np.sin(v)), x, np.arange(6), (c * np.cos(x)).ravel(), 1e-9, 1e-9
    )
    np.testing.assert_allclose(theirs.ravel(), ours, rtol=0, atol=1e-8)
    np.testing.assert_allclose(submission.call("step_sizes", np.zeros(1))[0], STEP, rtol=0.02)


def agree_on_layers(submission, rng):
    """What the library's checker finds wrong, the reference does as well, with an error of the same size."""
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("gradcheck_props", Path(__file__).parent / "props.py")
    props = module_from_spec(spec)
    spec.loader.exec_module(props)
    x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    for made in (
        ("tanh",),
        ("relu",),
        ("square",),
        ("tanh", "no slope"),
        ("tanh", "slope at y"),
        ("square", "factor"),
    ):
        theirs = submission.call("check_layer", submission.prop("Curve", *made), x, dy)["x"]
        ours = minidl.check_layer(props.Curve(*made), (3,), x=x)
        assert ours.ok == (theirs < 1e-5), (made, theirs, str(ours))
    for mistake in (None, "diagonal"):
        theirs = submission.call("check_layer", submission.prop("Rows", mistake), x, dy)["x"]
        ours = minidl.check_layer(props.Rows(mistake), (3,), x=x)
        assert ours.ok == (theirs < 1e-5), (mistake, theirs, str(ours))
