"""Values proposed by Optuna: each from what the trials before it have given (Bergstra et al. 2011, TPE).

Optuna's study lies in a journal, a file that several processes may append to: the process that proposes,
and the workers where a pruner looks at the epochs of all trials.

Trials are proposed in rounds of a fixed size, and the outcomes of a round are told when it is complete, in
the order of the trials. The sampler is seeded anew for each trial. So the n-th proposal is a function of
the seed, the size of the rounds and the outcomes of the rounds before, and not of how many workers there
are, which of them was faster, or whether the search was interrupted. A pruner undoes this: it compares
trials while they are running.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minidl.errors import ConfigError
from minidl.expressions import build
from minidl.random import Seeds
from minidl.search.spaces import Categorical, Dimension, Integer, Space

# CMA-ES is not offered: Optuna stores its state as a pickle, and nothing here reads or writes pickles.
SAMPLERS = ("TPESampler", "GPSampler")
PRUNERS = (
    "MedianPruner",
    "PercentilePruner",
    "SuccessiveHalvingPruner",
    "HyperbandPruner",
    "PatientPruner",
    "ThresholdPruner",
)


def require_optuna() -> Any:
    """Return the package, or say how to get it."""
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            'search.method = "bayesian" needs Optuna, which is not installed: pip install "minidl[search]"; '
            "random and grid search do without"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def make_sampler(text: str, seed: int) -> Any:
    """Return the sampler that a text describes, such as ``TPESampler(n_startup_trials=10)``."""
    optuna = require_optuna()
    names = {name: _seeded(getattr(optuna.samplers, name), seed) for name in SAMPLERS}
    try:
        return build(text, names, "search.sampler")
    except ImportError as error:
        raise ConfigError(f"search.sampler: {text} needs a package that is not installed ({error})") from None


def _seeded(kind: Callable[..., Any], seed: int) -> Callable[..., Any]:
    import inspect

    signature = inspect.signature(kind)
    options = [p for p in signature.parameters.values() if p.name != "seed"]

    def make(**given: Any) -> Any:
        return kind(**given, seed=seed)

    make.__signature__ = signature.replace(parameters=options)  # type: ignore[attr-defined]
    return make


def make_pruner(text: str | None) -> Any:
    """Return the pruner that a text describes, or None: every trial runs to its end."""
    optuna = require_optuna()
    if text is None:
        return None
    names = {name: getattr(optuna.pruners, name) for name in PRUNERS}
    return build(text, names, "search.pruner")


@dataclass(frozen=True)
class Ticket:
    """Where a trial is in Optuna's journal; a worker needs it to report epochs.

    Attributes
    ----------
    journal : str
        The file.
    study : str
        Name of the study in it.
    trial : int
        Optuna's id of the trial.
    pruner : str
    maximize : bool
    """

    journal: str
    study: str
    trial: int
    pruner: str
    maximize: bool

    def prune(self, epoch: int, value: float) -> bool:
        """Report the value after an epoch; return whether the trial should be given up."""
        optuna = require_optuna()
        storage = _storage(Path(self.journal))
        study = optuna.load_study(study_name=self.study, storage=storage)
        storage.set_trial_intermediate_value(self.trial, epoch, value)
        return bool(make_pruner(self.pruner).prune(study, storage.get_trial(self.trial)))


class Bayesian:
    """A study of Optuna in a journal, new or taken up again.

    Parameters
    ----------
    journal : Path
    name : str
        Of the study; a journal may hold several.
    space : Space
    seed : int
    sampler : str
    pruner : str or None
    maximize : bool
        Whether a larger value is better.
    """

    def __init__(
        self,
        journal: Path,
        name: str,
        space: Space,
        *,
        seed: int,
        sampler: str,
        pruner: str | None,
        maximize: bool,
    ) -> None:
        optuna = require_optuna()
        _mend(journal)
        self._optuna, self.journal, self.name, self.space = optuna, journal, name, space
        self.seed, self.sampler, self.pruner, self.maximize = seed, sampler, pruner, maximize
        self._study = optuna.create_study(
            study_name=name,
            storage=_storage(journal),
            direction="maximize" if maximize else "minimize",
            load_if_exists=True,
        )
        self._distributions = {key: _distribution(optuna, each) for key, each in space.items()}
        for trial in self._study.get_trials(deepcopy=False):
            if not trial.state.is_finished() and set(trial.params) != set(space):
                # Killed between asking and having an answer: it was never a trial of ours.
                self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def parameters(self, place: int) -> dict[str, Any]:
        """Return the values of a trial, by its place in the study; a new one is proposed if it is the next."""
        trials = self._proposed()
        if place == len(trials):
            sampler_seed = int(Seeds(self.seed).generator("bayesian", self.name, str(place)).integers(2**31))
            self._study.sampler = make_sampler(self.sampler, sampler_seed)
            self._study.ask(self._distributions)
            trials = self._proposed()
        found = trials[place].params
        return {
            name: json.loads(found[name]) if isinstance(each, Categorical) else found[name]
            for name, each in self.space.items()
        }

    def ticket(self, place: int) -> Ticket | None:
        """Return what a worker needs to report the epochs of a trial; None without a pruner."""
        if self.pruner is None:
            return None
        trial = self._proposed()[place]._trial_id
        return Ticket(str(self.journal.absolute()), self.name, trial, self.pruner, self.maximize)

    def tell(self, place: int, value: float | None, state: str) -> None:
        """Tell the outcome of a trial, unless it was told before.

        Parameters
        ----------
        place : int
        value : float or None
        state : {"done", "pruned", "diverged", "failed"}
            A diverged trial counts as the worst there is, so that its neighbourhood is left alone; one that
            failed is not counted.
        """
        states = self._optuna.trial.TrialState
        number = self._proposed()[place].number
        if state == "failed":
            self._study.tell(number, state=states.FAIL, skip_if_finished=True)
        elif state == "pruned":
            self._study.tell(number, state=states.PRUNED, skip_if_finished=True)
        else:
            worst = 0.0 if self.maximize else float("inf")
            self._study.tell(number, worst if value is None else value, skip_if_finished=True)

    def _proposed(self) -> list[Any]:
        return [
            trial for trial in self._study.get_trials(deepcopy=False) if set(trial.params) == set(self.space)
        ]


def _storage(journal: Path) -> Any:
    optuna = require_optuna()
    from optuna.storages.journal import JournalFileBackend

    return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))


def _mend(journal: Path) -> None:
    """Cut off a last line that was not written to its end, which would spoil the next one."""
    if not journal.exists():
        return
    content = journal.read_bytes()
    if not content.endswith(b"\n"):
        with open(journal, "r+b") as stream:
            stream.truncate(content.rfind(b"\n") + 1)


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    kinds = optuna.distributions
    if isinstance(dimension, Categorical):
        # Optuna takes only numbers and texts; JSON has lists as well.
        return kinds.CategoricalDistribution([json.dumps(value) for value in dimension.values])
    if isinstance(dimension, Integer):
        return kinds.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.is_log)
