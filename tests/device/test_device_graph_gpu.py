"""On a real GPU: replayed steps are eager steps, whatever else allocates in between; networks side by side."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.backend import choose_device, namespace, to_cpu
from minidl.experiments.ladder import build_model
from minidl.kernels import products
from minidl.optimizers import SGD, Adam, Nesterov
from minidl.training import Callback
from tests.device import test_device_branches as branches
from tests.device.test_device_graph import DIGITS, require_equal, small, trained
from tests.device.test_device_side_by_side import EPOCHS, HELD_OUT, fit_together, trainer
from tests.device.test_device_side_by_side import require_equal as require_alike

if choose_device("auto") != "cuda":
    pytest.skip("there is no GPU that CuPy sees", allow_module_level=True)

pytestmark = pytest.mark.gpu


@pytest.fixture
def own_products(monkeypatch):
    """Let eager steps use minidl's own products, too: cuBLAS adds in another order."""
    monkeypatch.setattr(products, "capturing", lambda x: not isinstance(x, np.ndarray))


@pytest.mark.parametrize("rung", ["0", "1", "3", "10"])
def test_replays_are_eager_steps_bit_for_bit(own_products, rung):
    options = {"images": DIGITS, "epochs": 4, "place": "cuda"}
    eager = trained(build_model(rung, "quick"), Nesterov(0.05), "off", **options)
    replayed = trained(build_model(rung, "quick"), Nesterov(0.05), 2, **options)
    require_equal(eager, replayed)
    assert replayed[1]._replay.steps.replays > 0


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1), lambda: Adam(0.01)])
def test_replays_follow_cublas_up_to_rounding(optimizer):
    eager, replayed = (trained(small(), optimizer(), steps, place="cuda")[0] for steps in ("off", 2))
    for name, value in eager.items():
        np.testing.assert_allclose(replayed[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


class Churn(Callback):
    """Between epochs, allocate and free in every size, and give all free memory of the default pool back."""

    def on_epoch_end(self, trainer, row):
        xp = namespace(next(trainer.model.named_parameters())[1].value)
        arrays = [xp.full(2**size, np.nan, "float32") for size in range(22)]
        assert all(bool(xp.isnan(array).all()) for array in arrays)
        del arrays
        xp.get_default_memory_pool().free_all_blocks()


def test_what_others_allocate_between_epochs_does_not_reach_the_graph(own_products):
    runs = [
        trained(small(), Nesterov(0.1), steps, epochs=6, place="cuda", callbacks=[Churn()])
        for steps in ("off", 2)
    ]
    assert [len(trainer.history) for _, trainer in runs] == [6, 6]
    require_equal(*runs)


def test_networks_side_by_side_end_as_alone():
    alone = [trainer(seed, schedule=None) for seed in range(3)]
    for made, loader in alone:
        made.fit(loader, EPOCHS, HELD_OUT)
    together = fit_together([trainer(seed, device="cuda", schedule=None) for seed in range(3)], graph="auto")
    for (one, _), other in zip(alone, together, strict=True):
        require_alike(one, other, tolerance=1e-9)
    assert together[0]._replay._together._graph.replays > 0
    assert np.isfinite(to_cpu(next(together[2].model.named_parameters())[1].value)).all()


def test_branches_of_one_graph_end_as_networks_alone():
    there, joined = branches.branched(lambda: Nesterov(0.05), "cuda")
    for one, other in zip(branches.alone(lambda: Nesterov(0.05), "cuda"), there, strict=True):
        branches.require_equal(one, other)
    assert joined.replays > 0
