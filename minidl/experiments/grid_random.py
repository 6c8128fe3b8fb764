"""Grid against random search with as many trials each: the picture of Bergstra and Bengio (2012), measured.

Of the two parameters the learning rate decides almost alone, and the weight decay hardly matters. Nine
points of a grid try three learning rates, nine random trials nine.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet
from minidl.experiments.config_file import config_from
from minidl.experiments.search import Search
from minidl.experiments.search_plan import SearchPlan, Stage
from minidl.experiments.search_records import read_trials
from minidl.files import atomic_write, write_json
from minidl.plots.grid_random import grid_against_random
from minidl.search import Log, Space

RATE, DECAY = "training.optimizer.lr", "training.regularizers.0.strength"
SIDE = 3  # of the grid
IMAGES = 1000


def run(data: DataSet, out: Path, *, seed: int) -> str:
    """Search twice, write ``grid-random.png`` and ``results.json`` to `out`, and return two sentences.

    Parameters
    ----------
    data : DataSet
    out : Path
        The searches are in its folders ``grid`` and ``random``.
    seed : int
    """
    table: dict[str, dict[str, Any]] = {
        "data": {"name": data.name, "subset": min(IMAGES, len(data.train)), "batch_size": 50},
        "model": {"layers": ["Flatten()", "Dense(30)", "ReLU()", "Dense(10)"]},
        "training": {
            "optimizer": "Momentum(lr=0.1)",
            "regularizers": ["L2(1e-5)"],
            "epochs": 3,
            "monitor": "none",
        },
    }
    space: Space = {RATE: Log(1e-4, 1.0, points=SIDE), DECAY: Log(1e-7, 1e-4, points=SIDE)}
    grid = SearchPlan(config_from(table), space, "grid", (Stage(None),), seed)
    random = replace(grid, method="random", stages=(Stage(SIDE**2),))
    found = {}
    for plan in (grid, random):
        Search(plan, data, out / plan.method, say=lambda line: None).run()
        rows = read_trials(out / plan.method)
        points = np.array([[row["parameters"][name] for name in space] for row in rows])
        values = [np.nan if row["value"] is None else 100 * row["value"] for row in rows]
        found[plan.method] = (points, np.array(values))
    best = {method: float(np.nanmax(values)) for method, (_, values) in found.items()}
    distinct = {method: len(np.unique(points[:, 0])) for method, (points, _) in found.items()}
    figure = grid_against_random(
        found["grid"][0],
        found["random"][0],
        (found["grid"][1], found["random"][1]),
        x="learning rate",
        y="weight decay",
        label="validation\naccuracy, %",
        title=f"Grid against random search, {SIDE**2} trainings each, {data.title}",
    )
    with atomic_write(out / "grid-random.png", "wb") as stream:
        figure.savefig(stream, format="png", metadata={"Software": None})
    write_json(
        out / "results.json", {"seed": seed, "data": data.name, "best": best, "distinct_rates": distinct}
    )
    return (
        f"{SIDE**2} trainings each on {IMAGES:,} images at most: the grid tried {distinct['grid']} learning rates and "
        f"reached {best['grid']:.2f} % on the validation images, the random search tried {distinct['random']} and "
        f"reached {best['random']:.2f} %.\n"
        "Only one of the two parameters matters here, and nobody knows beforehand which: a grid spends its trials on "
        "repeating the same few values of it. (One seed proves little; --seed draws other points.)"
    )
