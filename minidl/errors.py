"""The errors a user can cause, each a sentence that says what to do.

The command line prints the message of a `MinidlError` on one line and exits with code 2; every
other exception is a bug and keeps its traceback.
"""


class MinidlError(Exception):
    """Base of every error whose message is written for the user."""


class ShapeError(MinidlError, ValueError):
    """An array or a layer's input has a shape the layer cannot take."""


class ConfigError(MinidlError, ValueError):
    """An option has a value that makes no sense."""


class StateError(MinidlError, RuntimeError):
    """Something was called too early: backward before forward, forward before build."""


class DataError(MinidlError):
    """A data file is missing, damaged, or not what it claims to be."""


class CheckpointError(MinidlError):
    """A checkpoint or run folder does not fit the model, or is damaged."""


class DeviceError(MinidlError, TypeError):
    """A device is missing, or arrays of two devices met."""


class DivergenceError(MinidlError, ArithmeticError):
    """The training loss became NaN or infinite."""
