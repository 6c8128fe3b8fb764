"""Train one network of the ladder; score it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl import parallel
from minidl.backend import choose_device
from minidl.data import ExpandedShifts, Loader, Split
from minidl.data.resident import on_device
from minidl.experiments.ladder import INPUT_SHAPE, build_model, find_rung
from minidl.experiments.recipes import Recipe
from minidl.files import atomic_write, write_json
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Nesterov
from minidl.random import Seeds
from minidl.regularizers import L2
from minidl.schedules import OneCycle
from minidl.training.callbacks import BestWeights
from minidl.training.checkpoint import load_weights, read_safetensors, safetensors_numpy
from minidl.training.evaluate import predict
from minidl.training.side_by_side import fit_side_by_side
from minidl.training.trainer import Trainer

CHECKPOINT_IMAGES = 50_000  # images seen between checkpoints: an epoch of MNIST, many of a small data set


@dataclass(frozen=True)
class Run:
    """One network to train: a rung, a recipe, a seed, and the folder it is kept in."""

    rung: str
    recipe: Recipe
    seed: int
    folder: Path
    data: str
    device: str = "cpu"
    threads: int = 1


def train_run(run: Run, train: Split, validation: Split, progress: bool = False) -> dict[str, Any]:
    """Train a network, or go on with one that was stopped; return what the table needs.

    A finished run is not trained again.

    Parameters
    ----------
    run : Run
    train, validation : Split
        The test split is not here: nothing in training can see it.
    progress : bool
        Show the trainer's progress bar.

    Returns
    -------
    dict
        seed, folder, parameters, epochs, train_images, validation_accuracy (per cent), best_epoch, seconds.
    """
    trainer, loader = _prepared(run, train, _images(run, train), progress)
    with parallel.threads(run.threads):
        trainer.fit(loader, run.recipe.epochs, validation, resume=True)
    return _outcome(run, trainer, loader)


def train_together(runs: list[Run], train: Split, validation: Split) -> list[dict[str, Any]]:
    """Do what `train_run` does, for several networks of one rung and recipe at once, on a GPU.

    All networks' steps are taken together (`minidl.training.side_by_side`): five cost little more than one. The
    seconds of each are its share.
    """
    device, images = choose_device(runs[0].device), _images(runs[0], train)
    pairs = [_prepared(run, train, images, progress=False) for run in runs]
    loaders = [on_device(loader, device) for _, loader in pairs]
    trainers = [trainer for trainer, _ in pairs]
    fit_side_by_side(trainers, loaders, runs[0].recipe.epochs, validation, resume=True, graph="auto")
    outcomes = [_outcome(run, *pair) for run, pair in zip(runs, pairs, strict=True)]
    share = sum(outcome["seconds"] for outcome in outcomes) / len(outcomes)
    return [{**outcome, "seconds": share} for outcome in outcomes]


def _prepared(run: Run, train: Split, images: Any, progress: bool) -> tuple[Trainer, Loader]:
    """Return the trainer of a network, in its run folder, and its batches."""
    rung, recipe, seeds = find_rung(run.rung), run.recipe, Seeds(run.seed)
    device = choose_device(run.device)
    model = build_model(rung, recipe)
    model.build(INPUT_SHAPE, rng=seeds.child("model"))
    model.to(device)
    loader = _loader(run, train, images, seeds)
    trainer = Trainer(
        model,
        SoftmaxCrossEntropy(),
        SGD(recipe.lr) if recipe.optimizer == "sgd" else Nesterov(recipe.lr, momentum=0.9),
        regularizers=[_penalty(recipe, loader)] if recipe.l2 else [],
        schedule=OneCycle(recipe.lr, min_momentum=0.9, max_momentum=0.9)
        if recipe.schedule == "one-cycle"
        else None,
        callbacks=[BestWeights("accuracy", ties="later")],
        run_dir=run.folder,
        config={"rung": run.rung, "recipe": asdict(recipe), "data": run.data, "threads": run.threads},
        progress=progress,
        seed=run.seed,
        checkpoint_every=max(1, round(CHECKPOINT_IMAGES / loader.examples)),
        graph="off" if device == "cpu" else "auto",
    )
    return trainer, loader


def _outcome(run: Run, trainer: Trainer, loader: Loader) -> dict[str, Any]:
    best = trainer.best
    assert best is not None and best.epoch is not None and best.value is not None
    return {
        "seed": run.seed,
        "folder": f"{run.folder.parent.name}/{run.folder.name}",
        "parameters": trainer.model.parameter_count(),
        "epochs": len(trainer.history),
        "train_images": loader.examples,
        "validation_accuracy": 100 * best.value,
        "best_epoch": best.epoch,
        "seconds": sum(trainer.timings["train_seconds"]) + sum(trainer.timings["validation_seconds"]),
    }


def score_run(run: Run, scored: Split, split: str = "test") -> None:
    """Compute a trained network's outputs on the test or validation images and keep them in its folder.

    Writes ``test_outputs.safetensors`` (logits, predictions and which of them are right, with the weights the
    recipe reports, and voting_logits with those that vote) and ``test.json`` (accuracy in per cent, correct, examples);
    with ``split="validation"`` the names begin with that.
    """
    logits = _outputs(run, run.recipe.report, scored)
    arrays = {"logits": logits, "predictions": logits.argmax(axis=1)}
    if run.recipe.vote_weights != run.recipe.report:
        arrays["voting_logits"] = _outputs(run, run.recipe.vote_weights, scored)
    _write_score(run.folder, arrays, scored.labels, {"weights": run.recipe.report}, split)


def score_ensemble(
    folder: Path, members: list[Path], recipe: Recipe, scored: Split, split: str = "test"
) -> None:
    """Let trained and scored networks vote; keep the outcome as `score_run` does."""
    from minidl.evaluation.ensemble import hard_vote, soft_vote

    logits = np.stack([_voting_logits(member, split) for member in members])
    if recipe.vote == "hard":
        predictions = hard_vote(logits.argmax(axis=2))
    else:
        shifted = np.exp(logits - logits.max(axis=2, keepdims=True))
        predictions = soft_vote(shifted / shifted.sum(axis=2, keepdims=True))
    facts = {"vote": recipe.vote, "members": [f"{path.parent.name}/{path.name}" for path in members]}
    _write_score(folder, {"predictions": predictions}, scored.labels, facts, split)


def is_scored(folder: Path, split: str = "test") -> bool:
    """Return whether a run's outputs are there already, so that the vault can stay shut."""
    return (folder / f"{split}.json").exists()


def _images(run: Run, train: Split) -> Any:
    expanded = find_rung(run.rung).expanded and run.recipe.augment == "expand"
    return ExpandedShifts(train.images) if expanded else train.images


def _loader(run: Run, train: Split, images: Any, seeds: Seeds) -> Loader:
    recipe = run.recipe
    return Loader(
        images,
        train.labels,
        recipe.batch_size,
        shuffle=recipe.shuffle,
        seeds=seeds.child("loader"),
        augment=recipe.augmentation() if find_rung(run.rung).expanded else None,
    )


def _penalty(recipe: Recipe, loader: Loader) -> L2:
    if recipe.l2_scaling == "book":
        return L2.book(recipe.l2, loader.examples)
    return L2.network3(recipe.l2, len(loader))


def _outputs(run: Run, weights: str, scored: Split) -> np.ndarray:
    model = build_model(run.rung, run.recipe)
    model.build(INPUT_SHAPE, rng=run.seed)
    load_weights(model, run.folder / "checkpoints" / f"{weights}.safetensors")
    return predict(model, scored.images)


def _voting_logits(member: Path, split: str) -> np.ndarray:
    arrays, _ = read_safetensors(member / f"{split}_outputs.safetensors")
    return arrays.get("voting_logits", arrays["logits"])


def _write_score(
    folder: Path, arrays: dict[str, np.ndarray], labels: np.ndarray, facts: dict, split: str = "test"
) -> None:
    correct = int((arrays["predictions"] == labels).sum())
    score = {"accuracy": 100 * correct / len(labels), "correct": correct, "examples": len(labels), **facts}
    arrays = {**arrays, "correct": arrays["predictions"] == labels}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic_write(folder / f"{split}_outputs.safetensors", "wb") as stream:
        stream.write(safetensors_numpy().save(contiguous))
    write_json(folder / f"{split}.json", score)
