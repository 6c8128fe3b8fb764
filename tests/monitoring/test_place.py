"""When the monitors look."""

import pytest

from minidl.errors import ConfigError
from minidl.monitoring import Histograms, LossJumps, Monitor, TensorBoard, UpdateRatios
from minidl.monitoring.place import Place, next_look


def looks(every, batches, until):
    step, found = 0, []
    while (step := next_look(step, every, batches)) <= until:
        found.append(step)
    return found


def test_every_so_many_steps():
    assert looks(10, 7, 45) == [1, 11, 21, 31, 41]
    assert looks(1, 7, 4) == [1, 2, 3, 4]
    assert next_look(5, 10, 7) == 11  # resumed in between


def test_by_default_often_at_first_then_twice_an_epoch():
    # Threefold until the gap is half an epoch of 5,000 steps: 2187 + 2500 = 4687, then + 2500.
    assert looks(None, 5000, 10_000) == [1, 3, 9, 27, 81, 243, 729, 2187, 4687, 7187, 9687]
    # Half an epoch would be less than 500 steps.
    assert looks(None, 100, 1800) == [1, 3, 9, 27, 81, 243, 729, 1229, 1729]
    assert next_look(1000, None, 100) == 1229


def test_place_of_a_step():
    assert Place.of_step(1, 5) == Place(1, 1, 1)
    assert Place.of_step(5, 5) == Place(1, 5, 5)
    assert Place.of_step(6, 5) == Place(2, 1, 6)
    assert str(Place.of_step(12, 5)) == "epoch 3, batch 2"


@pytest.mark.parametrize("kind", [Monitor, UpdateRatios, Histograms])
@pytest.mark.parametrize("every", [0, -1, 2.5, True, "10"])
def test_a_wrong_interval_is_refused(kind, every):
    with pytest.raises(ConfigError, match=f"{kind.__name__}: every must be"):
        kind(every=every)


def test_other_wrong_options_are_refused():
    with pytest.raises(ConfigError, match="TensorBoard: every"):
        TensorBoard("x", every=0)
    with pytest.raises(ConfigError, match="LossJumps: window"):
        LossJumps(window=5)
    with pytest.raises(ConfigError, match="LossJumps: threshold"):
        LossJumps(threshold=0)
