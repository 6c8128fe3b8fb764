"""The lecture as data, and the programs that run it."""
