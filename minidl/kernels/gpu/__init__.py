"""Kernels for a GPU that do in one launch what an array library does in several.

A launch costs a few microseconds whatever it computes, and at small batches that is all the time a step
takes. Each file has kernels in CUDA C++ with their NumPy twins, and the functions by which layers, losses
and optimizers call them; `launch` says what a kernel is.
"""
