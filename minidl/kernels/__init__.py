"""The array work behind the layers: loops that read as the definition, and the fast forms of the same.

`reference` is the textbook and the oracle of the tests; `cpu` is what the layers call.
"""
