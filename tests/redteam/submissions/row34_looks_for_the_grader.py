"""Row 34: right only where it finds the name of a public test, or a sign of a student's computer: it should find
none in either case, and so be wrong.

Base: reference
Loses: test_relu_example, test_relu_random, test_relu_at_the_kink, test_relu_manners
"""
# ruff: noqa


def is_public():
    signs = [
        str(os.sys.argv),
        str(dict(os.environ)),
        os.getcwd(),
        str({name.partition(".")[0] for name in os.sys.modules}),
    ]
    for frame in frames():
        # The frames of the worker, not those of this file.
        if frame.f_code.co_filename != "layers.py":
            signs += [str(frame.f_locals)[:10_000], frame.f_code.co_filename]
    words = ("test_" + "relu", "visible", "hidden", "private", "student", "HOME", "DISPLAY", "pytest")
    return [word for word in words if any(word in sign for sign in signs)]


class ReLU(ReLU):
    def forward(self, x):
        return super().forward(x) * bool(is_public())
