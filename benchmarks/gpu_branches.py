"""Several networks as parallel branches of one graph.

A recorded step of a small network is a chain of kernels that each leave most of a GPU idle. A graph need not be a
chain: what is recorded on streams that nothing orders may run at the same time. So the steps of each network are
recorded on a stream of their own. An event forks these streams off the one whose capture has begun, and another joins
each of them again. No layer has to know of it; only the launches are as many as those of all the networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from minidl.training.step_graph import StepGraph


class Branches:
    """The epochs of several networks, by graphs with a branch for each.

    Parameters
    ----------
    graphs : sequence of StepGraph
        Of networks that share nothing, with batches of the same sizes and number. Each must have trained for an
        epoch: its first steps compile the kernels, which cannot be part of a graph. Options and arrays must stay.
    """

    def __init__(self, graphs: Sequence[StepGraph]) -> None:
        self.graphs = list(graphs)
        self.stream = self.graphs[0].xp.cuda.Stream(non_blocking=True)
        self.replays = 0
        self._recorded: dict[tuple[int, int], Any] = {}  # by part and number of steps

    def epoch(self, number: int, rates: np.ndarray) -> None:
        """Train all networks for epoch `number`, from 0, with the learning rates of its steps."""
        for graph in self.graphs:
            graph.begin(number, rates)
        for graph in self.graphs:
            graph.stream.synchronize()  # the tables are there before another stream starts what reads them
        first = self.graphs[0]
        for index, part in enumerate(first.parts):
            left = part.count
            while left:
                steps = first.block if left >= first.block else 1
                self._graph(index, steps).launch(self.stream)
                self.replays += 1
                for graph in self.graphs:
                    graph.count(steps)
                left -= steps
        self.stream.synchronize()
        for graph in self.graphs:
            graph.end()

    def _graph(self, index: int, steps: int) -> Any:
        if (index, steps) not in self._recorded:
            self._recorded[index, steps] = self._record(index, steps)
        return self._recorded[index, steps]

    def _record(self, index: int, steps: int) -> Any:
        events = []  # kept until the capture ends
        self.stream.begin_capture()
        try:
            events.append(self.stream.record())
            for graph in self.graphs:
                graph.stream.wait_event(events[0])
                graph.write(graph.parts[index], steps)
                events.append(graph.stream.record())
                self.stream.wait_event(events[-1])
        except BaseException:
            with suppress(RuntimeError):  # CUDA's own complaint about a capture that went wrong
                self.stream.end_capture()
            raise
        return self.stream.end_capture()
