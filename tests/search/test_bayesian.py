"""Optuna's proposals: what they depend on, and what an interruption changes (nothing)."""

import pytest

from minidl.errors import ConfigError
from minidl.search import Categorical, Integer, Linear, Log
from minidl.search.bayesian import Bayesian, make_pruner, make_sampler

optuna = pytest.importorskip("optuna", reason="Bayesian search needs Optuna: pip install optuna")
SPACE = {
    "rate": Log(1e-4, 1),
    "units": Integer(5, 50),
    "drop": Linear(0, 1),
    "kind": Categorical(["a", [1, 2]]),
}


def study(folder, space=SPACE, name="stage-0", seed=0, sampler="TPESampler(n_startup_trials=4)", pruner=None):
    return Bayesian(folder / "journal", name, space, seed=seed, sampler=sampler, pruner=pruner, maximize=True)


def value(parameters):
    return -abs(parameters["drop"] - 0.3)


def rounds(folder, count, batch=3, **options):
    """Run a whole search, opening the study anew for each round as after an interruption."""
    found = []
    for start in range(0, count, batch):
        made = study(folder, **options)
        new = [made.parameters(place) for place in range(start, min(start + batch, count))]
        for place, parameters in enumerate(new, start):
            made.tell(place, value(parameters), "done")
        found += new
    return found


def test_proposals_follow_from_seed_and_outcomes(tmp_path):
    folders = [tmp_path / name for name in ("once", "again", "other")]
    for folder in folders:
        folder.mkdir()
    once = study(folders[0])
    straight = []
    for start in range(0, 12, 3):
        straight += [once.parameters(place) for place in range(start, start + 3)]
        for place in range(start, start + 3):
            once.tell(place, value(straight[place]), "done")
    assert len({parameters["rate"] for parameters in straight}) == 12
    assert rounds(folders[1], 12) == straight  # interrupted after each round
    assert rounds(folders[2], 12, seed=1) != straight
    assert all(parameters["kind"] in ("a", [1, 2]) for parameters in straight)
    assert all(isinstance(parameters["units"], int) for parameters in straight)


def test_it_learns_from_the_outcomes(tmp_path):
    last = rounds(tmp_path, 30, space={"drop": Linear(0, 1)})[-10:]
    # At random, half of the proposals would lie within 0.25 of the best value; here nearly all do.
    assert sum(abs(parameters["drop"] - 0.3) < 0.25 for parameters in last) >= 8


def test_a_trial_known_already_is_not_proposed_again(tmp_path):
    first = study(tmp_path)
    parameters = [first.parameters(place) for place in range(3)]
    again = study(tmp_path)
    assert [again.parameters(place) for place in range(3)] == parameters
    again.tell(0, 0.5, "done")
    again.tell(0, 0.7, "done")  # told twice: the first counts
    values = [trial.values for trial in again._study.get_trials()]
    assert values == [[0.5], None, None]


def test_states(tmp_path):
    made = study(tmp_path)
    for place in range(4):
        made.parameters(place)
    for place, (outcome, state) in enumerate(
        [(0.5, "done"), (None, "diverged"), (0.1, "pruned"), (None, "failed")]
    ):
        made.tell(place, outcome, state)
    trials = made._study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL"]
    assert trials[1].value == 0.0  # the worst accuracy there is


def test_killed_while_writing(tmp_path):
    made = study(tmp_path)
    before = made.parameters(0)
    with open(tmp_path / "journal", "ab") as stream:
        stream.write(b'{"op_code": 4, "work')  # half a line
    again = study(tmp_path)
    assert again.parameters(0) == before
    again.parameters(1)
    assert study(tmp_path).parameters(0) == before


def test_killed_between_a_trial_and_its_values(tmp_path):
    made = study(tmp_path)
    made.parameters(0)
    made._study.ask()  # a trial without values
    again, clean = study(tmp_path), tmp_path / "clean"
    clean.mkdir()
    untouched = study(clean)
    assert [again.parameters(place) for place in range(3)] == [
        untouched.parameters(place) for place in range(3)
    ]


def test_a_pruner_compares_trials_across_studies_opened_elsewhere(tmp_path):
    pruner = "MedianPruner(n_startup_trials=2)"
    made = study(tmp_path, pruner=pruner)
    for place in range(3):
        made.parameters(place)
    tickets = [made.ticket(place) for place in range(3)]
    for place, values in enumerate([(0.8, 0.9), (0.7, 0.8)]):
        assert not any(tickets[place].prune(epoch, each) for epoch, each in enumerate(values, 1))
        made.tell(place, values[-1], "done")
    assert tickets[2].prune(1, 0.1)  # the median of the others after one epoch is 0.75
    assert not tickets[2].prune(2, 0.95)
    assert study(tmp_path).ticket(0) is None


def test_what_optuna_does_not_have_is_refused_in_a_sentence():
    with pytest.raises(ConfigError, match="there is no 'TPESamplr'; did you mean 'TPESampler'"):
        make_sampler("TPESamplr()", 0)
    with pytest.raises(ConfigError, match="TPESampler has no option 'seed'"):
        make_sampler("TPESampler(seed=3)", 0)  # search.seed decides
    with pytest.raises(ConfigError, match="there is no 'CmaEsSampler'"):
        make_sampler("CmaEsSampler()", 0)
    with pytest.raises(ConfigError, match=r"search.pruner: there is no 'Median'"):
        make_pruner("Median()")
