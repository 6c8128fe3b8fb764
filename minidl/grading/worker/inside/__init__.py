"""What runs in the process of the submission. It needs Python and NumPy, and nothing else of minidl.

The grader starts `boot.py` in an interpreter of its own, which loads this folder under the name ``inside``;
only `wire`, `values`, `host` and `loading` are used on the grader's side as well.
"""
