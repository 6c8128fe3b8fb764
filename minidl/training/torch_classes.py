"""The classes that `minidl.training.torch_source` writes where PyTorch has no module for a layer."""

# What is used by name in another class and so has to come before it.
NEEDED_BY = {"JoinedBranches": ("Branches",)}
CLASSES = {
    "Residual": '''\
class Residual(nn.Module):
    """Add the input to the output of the body."""

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))
''',
    "Branches": '''\
class Branches(nn.ModuleDict):
    """Send the same input through several modules; return a tuple of outputs."""

    def forward(self, x):
        return tuple(branch(x) for branch in self.values())
''',
    "JoinedBranches": '''\
class JoinedBranches(Branches):
    """Join the outputs along the channels."""

    def forward(self, x):
        return torch.cat(super().forward(x), dim=1)
''',
    "PaddedConv2d": '''\
class PaddedConv2d(nn.Conv2d):
    """A convolution with a padding of its own on each side: left, right, top, bottom."""

    def __init__(self, *arguments, sides, **options):
        super().__init__(*arguments, **options)
        self.sides = sides

    def forward(self, x):
        return super().forward(nn.functional.pad(x, self.sides))
''',
    "PaddedAvgPool2d": '''\
class PaddedAvgPool2d(nn.AvgPool2d):
    """The mean over the real pixels of each window; padding: left, right, top, bottom."""

    def __init__(self, *arguments, sides, **options):
        super().__init__(*arguments, **options)
        self.sides = sides

    def forward(self, x):
        real = nn.functional.pad(torch.ones_like(x), self.sides)
        return super().forward(nn.functional.pad(x, self.sides)) / super().forward(real)
''',
    "RootMeanSquare": '''\
class RootMeanSquare(nn.Module):
    """The root of the mean of squares."""

    def __init__(self, mean):
        super().__init__()
        self.mean = mean

    def forward(self, x):
        return self.mean(x * x).sqrt()
''',
    "TestScaledDropout": '''\
class TestScaledDropout(nn.Module):
    """Dropout that scales when testing, not when training."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return x * (torch.rand_like(x) >= self.p) if self.training else x * (1 - self.p)
''',
}
