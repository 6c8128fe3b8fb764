"""Proof that an exercise is fair: ``minidl exercise verify``.

The reference gets all points whatever the seed, the skeleton and lazy answers none. Each known mistake costs the
points of its own task and says so, the tests notice small random mistakes, and the hand-out gives nothing away.
"""

from minidl.grading.verify.check import Check, Options, verify

__all__ = ["Check", "Options", "verify"]
