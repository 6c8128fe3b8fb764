"""Everything there is to measure on a GPU, in one command and under ten minutes.

    python -m benchmarks.gpu [--json FILE]

First the parity tests (``pytest -m gpu``), then single calls, products by cuBLAS and by minidl, training steps beside
PyTorch's, five networks in three ways, and the speedrun; each with its prediction, and at the end the targets, met or
missed. The file is written anew after every measurement, so an interrupted run leaves what it has. See docs/gpu.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import gpu_calls, gpu_products, gpu_steps, machine
from benchmarks.contest import numbers, words
from benchmarks.gpu_targets import targets_of
from minidl.backend import choose_device
from minidl.errors import DeviceError, MinidlError
from minidl.files import write_json

# Microseconds per step at batch 10, predicted before anything was measured.
PREDICTED = {
    "0": {"plain": 468, "fused": 100, "graph": 23, "torch eager": 200},
    "1": {"plain": 910, "fused": 160, "graph": 40, "torch eager": 320},
    "3": {"plain": 1495, "fused": 240, "graph": 58, "torch eager": 440},
    "10": {"plain": 1820, "fused": 320, "graph": 88, "torch eager": 600},
}
# The same for five networks of rung 10.
PREDICTED_TOGETHER = {
    "one after another": "440",
    "branches of one graph": "150-250",
    "side by side": "110-160",
}
PREDICTED_SPEEDRUN = "0.025-0.05 s for an epoch of a like network, 99.0 %"
LEFT_OUT = "left_out"


def main(arguments: Sequence[str] | None = None, device: str | None = None) -> int:
    """Run the benchmark; return 0, 1 if the parity tests failed, 2 without a GPU.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line.
    device : str, optional
        A registered device to go through the motions on, for tests; its numbers are no results.
    """
    options = _options(arguments)
    if device is None:
        try:
            device = choose_device("cuda")
        except DeviceError as error:
            print(f"benchmarks.gpu: {str(error).removesuffix('; use --device cpu')}", file=sys.stderr)
            return 2
    return Benchmark(options, device).run()


class Benchmark:
    """One run: measures, writes, and prints as it goes."""

    def __init__(self, options: argparse.Namespace, device: str) -> None:
        self.options, self.device = options, device
        self.started = time.perf_counter()
        self.steps: dict[tuple[str, int], dict[str, float]] = {}
        self.record: dict[str, Any] = {
            "what": "python -m benchmarks.gpu",
            "is_measurement": device == "cuda",
            "device": _device_name(device),
            "machine": machine.describe(("numpy", "cupy-cuda12x", "cupy-cuda13x", "torch")),
            "parity": None,
            "calls": [],
            "products": [],
            "steps": [],
            "together": [],
            "speedrun": None,
            "targets": [],
        }

    def run(self) -> int:
        """Measure everything that there is time for."""
        if not self.record["is_measurement"]:
            print(f"device {self.device}: these numbers go through the motions and measure nothing")
        print(f"{self.record['device']}; {machine.headline(self.record['machine'])}")
        self.record["parity"] = self._parity()
        self._write()
        for call in gpu_calls.calls(self.device):
            found = self._attempt(call.measure)
            self._note("calls", {"name": call.name, "unit": call.unit, "predicted": call.predicted, **found})
        self._products(self.options.together)
        for rung in self.options.rungs:
            for batch in self.options.batches:
                self._steps(rung, batch)
        if self.options.together in self.options.rungs:
            self._together(self.options.together)
        self.record["speedrun"] = self._speedrun()
        self.record["targets"] = targets_of(self.record, self.steps, self.options.rungs, self.options.batches)
        self.record["seconds"] = round(time.perf_counter() - self.started, 1)
        self._write()
        for target in self.record["targets"]:
            print(f"target: {target['target']}: {target['outcome']} ({target['found']})")
        if self.record["parity"]["outcome"] == "failed":
            print("the parity tests FAILED: a wrong computation may be as fast as it likes", file=sys.stderr)
            return 1
        return 0

    # What is measured -------------------------------------------------------------------------------

    def _parity(self) -> dict[str, Any]:
        if self.options.no_parity:
            return {"outcome": "not run", LEFT_OUT: "--no-parity"}
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests"]
        root = Path(__file__).resolve().parent.parent
        print("parity tests: " + " ".join(command[1:]), flush=True)
        try:
            done = subprocess.run(
                command,
                cwd=root,
                capture_output=True,
                text=True,
                timeout=self.options.parity_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"outcome": "not finished", LEFT_OUT: f"not done after {self.options.parity_seconds:g} s"}
        lines = done.stdout.strip().splitlines()
        outcome = {0: "passed", 5: "not run"}.get(done.returncode, "failed")
        if outcome == "failed":
            print("\n".join(lines[-30:]))
        return {"outcome": outcome, "summary": lines[-1] if lines else "", "command": " ".join(command[1:])}

    def _products(self, rung: str) -> None:
        measure: Any = gpu_products.in_own_process if self.record["is_measurement"] else gpu_products.measure
        found = self._attempt(lambda: list(measure(self.device, rung, self.options.batches)))
        if "value" not in found:
            entry = {"name": gpu_products.NAME, "unit": "", "predicted": gpu_products.PREDICTED}
            self._note("products", {**entry, **found})
            return
        for entry in found["value"]:
            self._note("products", entry, gpu_products.text_of(entry))
        self._note("products", gpu_products.verdict(found["value"]))

    def _steps(self, rung: str, batch: int) -> None:
        seconds, rounds, images = self.options.seconds, self.options.rounds, self.options.images
        device = self.device
        forms: dict[str, Callable[[], list[float]]] = {
            "plain": lambda: gpu_steps.minidl_steps(rung, batch, device, seconds, rounds, fused=False),
            "fused": lambda: gpu_steps.minidl_steps(rung, batch, device, seconds, rounds, fused=True),
            "graph": lambda: gpu_steps.graph_steps(rung, batch, device, images, rounds),
        }
        for form in ["eager", "graph", *(["compiled"] if self.options.compile else [])]:
            forms[f"torch {form}"] = lambda form=form: self._torch(rung, batch, form)  # type: ignore[misc]
        for form, measure in forms.items():
            found = self._attempt(lambda measure=measure: _summary(measure()))  # type: ignore[misc]
            predicted = PREDICTED.get(rung, {}).get(form) if batch == 10 else None
            if "value" in found:
                self.steps.setdefault((rung, batch), {})[form] = found["value"]["median"]
            entry = {
                "name": f"rung {rung}, batch {batch}, {form}",
                "rung": rung,
                "batch": batch,
                "form": form,
            }
            self._note("steps", {**entry, "unit": "µs per step", "predicted": predicted, **found})

    def _torch(self, rung: str, batch: int, form: str) -> list[float]:
        problem = "--no-torch" if self.options.no_torch else gpu_steps.torch_problem()
        if problem is not None:
            raise gpu_calls.LeftOut(problem)
        return gpu_steps.torch_steps(rung, batch, self.options.seconds, self.options.rounds, form)

    def _together(self, rung: str) -> None:
        batch, members = self.options.batches[0], gpu_steps.MEMBERS
        images, rounds = self.options.images, self.options.rounds
        for form, measure in {
            "one after another": gpu_steps.sequential_steps,
            "branches of one graph": gpu_steps.branch_steps,
            "side by side": gpu_steps.side_by_side_steps,
        }.items():
            found = self._attempt(
                lambda measure=measure: _summary(measure(rung, batch, self.device, images, rounds))  # type: ignore[misc]
            )
            if form == "side by side" and "value" in found:
                self.steps.setdefault((rung, batch), {})["together"] = found["value"]["median"]
            predicted = PREDICTED_TOGETHER[form] if batch == 10 and rung == "10" else None
            entry = {"name": f"{members} networks of rung {rung}, batch {batch}, {form}", "form": form}
            self._note("together", {**entry, "unit": "µs per step of all", "predicted": predicted, **found})

    def _speedrun(self) -> dict[str, Any]:
        found = self._attempt(self._speedrun_seconds)
        entry = {"name": "speedrun", "unit": "s of training, %", "predicted": PREDICTED_SPEEDRUN, **found}
        _print(entry)
        return entry

    def _speedrun_seconds(self) -> dict[str, Any]:
        from minidl.data import load
        from minidl.experiments.speedrun import SpeedrunRecipe, resident_images, train_fast
        from minidl.training.evaluate import predict

        try:
            data = load(self.options.data, data_dir=self.options.data_dir, download=False)
        except MinidlError as error:
            raise gpu_calls.LeftOut(str(error)) from error
        recipe = SpeedrunRecipe(epochs=self.options.speedrun_epochs)
        train = (
            data.train
            if self.options.speedrun_images is None
            else data.train.subset(self.options.speedrun_images)
        )
        images = resident_images(recipe, train, self.device)
        rows = []
        for seed in range(self.options.speedrun_seeds):
            trained = train_fast(recipe, train, seed, images=images)
            # The validation images: a benchmark is no reason to open the vault.
            outputs = predict(trained.model, data.validation.images)
            right = 100 * float((outputs.argmax(axis=1) == data.validation.labels).mean())
            rows.append((trained.wall_seconds, trained.recording_seconds, right))
        seconds, recording, accuracy = (statistics.fmean(column) for column in zip(*rows, strict=True))
        return {
            "data": data.title, "seeds": len(rows), "seconds": seconds, "recording_seconds": recording,
            "validation_accuracy": accuracy, "each_seconds": [row[0] for row in rows],
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------

    def _attempt(self, measure: Callable[[], Any]) -> dict[str, Any]:
        """Return a value, or why there is none: one failure must not lose the rest."""
        if time.perf_counter() - self.started > 60 * self.options.minutes:
            return {LEFT_OUT: f"no time left: --minutes {self.options.minutes:g}"}
        try:
            return {"value": measure()}
        except gpu_calls.LeftOut as reason:
            return {LEFT_OUT: str(reason)}
        except Exception as error:  # whatever it is belongs into the record
            return {LEFT_OUT: f"{type(error).__name__}: {error}", "failed": True}

    def _note(self, table: str, entry: dict[str, Any], text: str | None = None) -> None:
        self.record[table].append(entry)
        _print(entry, text)
        self._write()

    def _write(self) -> None:
        write_json(self.options.json, self.record)


def _summary(rounds: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(rounds), "minimum": min(rounds), "rounds": rounds}


def _print(entry: dict[str, Any], text: str | None = None) -> None:
    predicted = entry.get("predicted")
    line = f"{entry['name']}: {_text(entry) if text is None else text}"
    print(line + ("" if predicted is None else f" (predicted {predicted})"), flush=True)


def _text(entry: dict[str, Any]) -> str:
    value = entry.get("value")
    if value is None:
        return ("FAILED: " if entry.get("failed") else "left out: ") + str(entry[LEFT_OUT])
    if isinstance(value, dict) and "median" in value:
        return f"{value['median']:.1f} {entry['unit']}"
    return f"{value:.2f} {entry['unit']}" if isinstance(value, float) else str(value)


def _device_name(device: str) -> str:
    if device != "cuda":
        return f"{device}, which is no GPU: not a measurement"
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return str(properties["name"].decode())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--json", type=Path, default=Path("gpu.json"), metavar="FILE", help="results (default: %(default)s)")
    add("--rungs", type=words, default=["0", "1", "3", "10"], help="networks (default: 0,1,3,10)")
    add("--batches", type=numbers, default=[10, 128], help="batch sizes (default: 10,128)")
    add("--together", default="10", metavar="RUNG", help="rung of the five networks (default: %(default)s)")
    add("--seconds", type=float, default=1.5, help="for each kind of step (default: %(default)s)")
    add("--rounds", type=int, default=5, help="blocks, of which the median counts (default: %(default)s)")
    add("--images", type=int, default=20_000, help="of an epoch of replayed steps (default: %(default)s)")
    add("--data", default="mnist", choices=("mnist", "digits"), help="of the speedrun (default: %(default)s)")
    add("--data-dir", metavar="DIR", help="folder with the data files; nothing is downloaded")
    add("--speedrun-seeds", type=int, default=5, metavar="N", help="networks (default: %(default)s)")
    add("--speedrun-epochs", type=int, default=2, metavar="N", help="epochs (default: %(default)s)")
    add("--speedrun-images", type=int, metavar="N", help="training images (default: all)")
    add("--minutes", type=float, default=9.0, help="after these nothing new begins (default: %(default)s)")
    add("--parity-seconds", type=float, default=240.0, help="for the parity tests (default: %(default)s)")
    add("--no-parity", action="store_true", help="leave out the parity tests")
    add("--no-torch", action="store_true", help="leave out PyTorch")
    add("--compile", action="store_true", help="torch.compile as well, minutes more")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
