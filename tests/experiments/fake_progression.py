"""A progression's folder as `minidl progression` leaves it, without training anything.

Errors are drawn so that they look real: every image has a difficulty that all networks share, and a
wrong answer is one of the usual confusions.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from minidl.files import write_json

# rung, title, what is new, architecture, the lecture's accuracy, parameters, our accuracy
LADDER = [
    ("0", "Fully connected", "one hidden layer of sigmoids", "784-FC100-S10", 97.80, 79_510, 97.74),
    ("1", "One convolution", "20 filters of 5x5, pooling", "C20-P2-FC100-S10", 98.78, 289_630, 98.71),
    ("1b", "No hidden layer", "without the fully connected layer", "C20-P2-S10", None, 29_330, 98.52),
    ("2", "Two convolutions", "40 filters more", "C20-P2-C40-P2-FC100-S10", 99.06, 85_670, 98.97),
    ("3", "ReLU", "rectified linear units, L2", "C20-P2-C40-P2-FC100-S10", 99.23, 85_670, 99.14),
    (
        "4",
        "Expanded data",
        "shifts by one pixel: 250,000 images",
        "C20-P2-C40-P2-FC100-S10",
        99.37,
        85_670,
        99.31,
    ),
    ("6", "Wide layer", "1,000 hidden units", "C20-P2-C40-P2-FC1000-S10", 99.43, 671_570, 99.40),
    (
        "9",
        "Two wide layers",
        "a second hidden layer",
        "C20-P2-C40-P2-FC1000-FC1000-S10",
        99.47,
        1_672_570,
        99.44,
    ),
    ("10", "Dropout", "half of the units", "C20-P2-C40-P2-FC1000-FC1000-S10", 99.60, 1_672_570, 99.55),
    ("11", "Ensemble", "five networks vote", "5 networks of rung 10", 99.67, 5 * 1_672_570, 99.67),
]
CONFUSIONS = {
    0: (6,),
    1: (7, 2),
    2: (7, 1),
    3: (5, 2),
    4: (9,),
    5: (3, 6),
    6: (0, 5),
    7: (2, 1, 9),
    8: (9, 3),
    9: (4, 7),
}


def write_fake_progression(
    folder: Path, labels: np.ndarray, *, rungs: tuple[str, ...] | None = None, seeds: tuple[int, ...] = (0,),
    epochs: int = 8, is_mnist: bool = True,
) -> dict:  # fmt: skip
    """Write FOLDER/results.json and the run folders; return the contents of results.json."""
    difficulty = np.random.default_rng(1).normal(size=len(labels))
    ladder = [row for row in LADDER if rungs is None or row[0] in rungs]
    results = {
        "format": 1,
        "command": "minidl progression --preset quick --out runs/quick",
        "preset": "quick",
        "data": {
            "name": "mnist" if is_mnist else "digits",
            "title": "MNIST" if is_mnist else "scikit-learn digits (NOT MNIST)",
            "is_mnist": is_mnist,
            "source": "/data/mnist" if is_mnist else "sklearn.datasets.load_digits",
            "train": 50_000,
            "validation": 10_000,
            "test": len(labels),
        },
        "seeds": list(seeds),
        "machine": {"system": "Linux 6.1", "processor": "x86_64", "cores": "2"},
        "versions": {"minidl": "0.1.0", "numpy": "2.4.0", "python": "3.11.2"},
        "device": "cpu",
        "started": "2025-11-21T09:00:00.123456+00:00",
        "seconds": 268.4,
        "rungs": [_rung(folder, row, labels, difficulty, seeds, epochs) for row in ladder],
        "vault": [{"time": "2025-11-21T09:04:00+00:00", "reason": "accuracy of rung 0, seed 0"}],
    }
    write_json(folder / "results.json", results)
    return results


def _rung(
    folder: Path, row: tuple, labels: np.ndarray, difficulty: np.ndarray, seeds: tuple[int, ...], epochs: int
) -> dict:
    name, title, change, architecture, lecture, parameters, target = row
    ensemble = name == "11"
    runs, members = [], []
    for seed in (0,) if ensemble else range(5) if name == "10" else seeds:
        run = f"rung-{name.zfill(2)}/seed-{seed}"
        generator = np.random.default_rng(zlib.crc32(run.encode()))
        error = (1 - target / 100) * (1 if ensemble else 1 + 0.04 * generator.normal())
        predictions = _predictions(labels, difficulty, error, generator)
        arrays = {"predictions": predictions}
        if name == "10":
            members.append(run)
        (folder / run).mkdir(parents=True, exist_ok=True)
        if not ensemble:
            logits = generator.normal(size=(len(labels), 10)).astype(np.float32)
            logits[np.arange(len(labels)), predictions] += 10
            arrays["logits"] = logits
            _training_files(folder / run, name, target / 100, epochs, generator)
        save_file(arrays, folder / run / "test_outputs.safetensors")
        if name == "10" and seed not in seeds:
            continue
        correct = int((predictions == labels).sum())
        runs.append(
            {"seed": seed, "folder": run, "accuracy": 100 * correct / len(labels), "correct": correct,
             "examples": len(labels), "best_epoch": epochs, "seconds": 21.5,
             "validation_accuracy": None if ensemble else target}
        )  # fmt: skip
    accuracies = [run["accuracy"] for run in runs]
    mean = float(np.mean(accuracies))
    half = 196 * (mean / 100 * (1 - mean / 100) / len(labels)) ** 0.5
    return {
        "rung": name, "title": title, "change": change, "architecture": architecture, "lecture": lecture,
        "published": lecture, "parameters": parameters, "epochs": 0 if ensemble else epochs,
        "train_images": 250_000 if int(name.rstrip("b")) >= 4 else 50_000, "status": "done", "error": None,
        "mean": mean, "sd": float(np.std(accuracies, ddof=1)) if len(runs) > 1 else None,
        "wilson": [mean - half, min(100.0, mean + half)], "seconds": 21.5, "ensemble": ensemble,
        "vote": "hard", "runs": runs, "by_validation": None if ensemble else accuracies[-1],
        "members": [f"rung-10/seed-{seed}" for seed in range(5)] if ensemble else members,
    }  # fmt: skip


def _predictions(
    labels: np.ndarray, difficulty: np.ndarray, error: float, generator: np.random.Generator
) -> np.ndarray:
    score = difficulty + 0.5 * generator.normal(size=len(labels))
    wrong = np.argsort(-score)[: round(error * len(labels))]
    predictions = labels.astype(np.int64)
    for index in wrong:
        predictions[index] = generator.choice(CONFUSIONS[int(labels[index])])
    return predictions


def _training_files(
    run: Path, rung: str, accuracy: float, epochs: int, generator: np.random.Generator
) -> None:
    write_json(
        run / "run.json", {"format": 1, "seed": 0, "config": {"rung": rung}, "versions": {"minidl": "0.1.0"}}
    )
    lines = ["epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy"]
    for epoch in range(1, epochs + 1):
        decay = np.exp(-epoch / (0.3 * epochs)) * (1 + 0.1 * generator.normal())
        train, val = (1 - accuracy) * (0.2 + 9 * decay), (1 - accuracy) * (1 + 5 * decay)
        lines.append(f"{epoch},0.1,{3 * train},{1 - train},{3 * val},{1 - val}")
    (run / "history.csv").write_text("\n".join(lines) + "\n")
    last = {"epoch": epochs, "val_accuracy": accuracy}
    write_json(run / "results.json", {"epochs": epochs, "final": last, "best": last, "train_seconds": 21.5})
    y, x = np.mgrid[-2:3, -2:3]
    angle, offset, strength = generator.uniform(0, np.pi, size=(3, 20, 1, 1, 1))
    convolution = strength * np.cos(1.3 * (x * np.cos(angle) + y * np.sin(angle)) + 2 * offset)
    convolution = convolution + 0.1 * generator.normal(size=convolution.shape)
    dense = generator.normal(size=(28, 28, 100)).cumsum(axis=0).cumsum(axis=1)
    dense = 0.3 * (dense - dense.mean(axis=(0, 1))) / dense.std()
    first = {"model/2.weight": dense.reshape(784, 100)} if rung == "0" else {"model/0.weight": convolution}
    later = {"model/10.weight": generator.normal(size=(100, 10)), "model/0.bias": np.zeros(20)}
    (run / "checkpoints").mkdir(exist_ok=True)
    arrays = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in {**later, **first}.items()}
    save_file(arrays, run / "checkpoints" / "best.safetensors")
