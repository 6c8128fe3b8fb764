"""A device for tests: CuPy without a GPU. See `tests.device.fake`."""
