"""What a comparison may be said to have shown: sentences to quote, with the right meaning of p."""

from __future__ import annotations

from minidl.evaluation.comparison import DIFFERENT, TOO_FEW, Comparison, Group, Pair

_CORRECTIONS = {"holm": "Holm's correction", "bonferroni": "Bonferroni's correction"}


def sentence(comparison: Comparison, pair: Pair, images: str = "") -> str:
    """Return what a pair has shown, in words.

    Parameters
    ----------
    comparison : Comparison
    pair : Pair
        One of its pairs.
    images : str
        On what: "the validation images of MNIST".
    """
    where = f" on {images}" if images else ""
    groups = {group.name: group for group in comparison.groups}
    a, b = groups[pair.a], groups[pair.b]
    if pair.counts is not None:
        return _about_networks(comparison, pair, a, b, where)
    if pair.verdict == TOO_FEW:
        return _too_few(comparison, pair, a, b, where)
    of = _runs(comparison, pair, b_first=True)
    numbers = f"{_accuracy(b)} against {_accuracy(a)} (mean +- standard deviation of {of})"
    facts = f"{_interval(comparison, pair)}{pair.test}, {_p(comparison, pair)}"
    if pair.verdict == DIFFERENT:
        better = ("more" if pair.difference > 0 else "less") + " accurate than"
        return (
            f"{pair.b} is {better} {pair.a}{where}: {numbers}, a difference of {points(pair.difference)} points "
            f"({facts}). {_meaning(pair)}"
        )
    return (
        f"No difference between {pair.a} and {pair.b} was shown{where}: {numbers}, a difference of "
        f"{points(pair.difference)} points ({facts}). {_meaning(pair)} {_not_equal(pair)}"
    )


def points(value: float) -> str:
    """Return a difference in points with its sign."""
    return f"{value + 0.0:+.2f}" if abs(value) >= 0.005 else "0.00"


def p_text(p: float) -> str:
    """Return a p value as one prints it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _about_networks(comparison: Comparison, pair: Pair, a: Group, b: Group, where: str) -> str:
    assert pair.counts is not None and pair.p_value is not None
    only_a, only_b = pair.counts
    facts = (
        f"{b.mean:.2f} % against {a.mean:.2f} %; {only_b} images only {pair.b} gets right, {only_a} only {pair.a} "
        f"({_interval(comparison, pair)}{pair.test}, {_p(comparison, pair)})"
    )
    if pair.verdict == DIFFERENT:
        more = "more" if pair.difference > 0 else "less"
        start = f"Of these two networks {pair.b} is {more} accurate{where}: {facts}."
    else:
        start = f"No difference between the networks {pair.a} and {pair.b} was shown{where}: {facts}."
    return (
        f"{start} {_meaning(pair, 'accurate')} This is about these two networks; whether one way of training is "
        "better than the other takes several seeds of each."
    )


def _too_few(comparison: Comparison, pair: Pair, a: Group, b: Group, where: str) -> str:
    seen = f"Too few runs to compare {pair.a} and {pair.b}{where} ({_runs(comparison, pair)})"
    each, more = "run", "train five or more of each (minidl train --seeds 5)"
    scatter = "how much the accuracy changes from seed to seed"
    if comparison.folds is not None:
        each, more = "fold", "take five folds or more (minidl train --folds 5)"
        scatter = "how much the difference changes from fold to fold"
    difference = f"The difference of {points(pair.difference)} points may be scatter"
    if min(pair.runs) < 2:
        return f"{seen}: one {each} does not show {scatter}. {difference}; {more}."
    if "permutation" in pair.test:
        return (
            f"{seen}: the {pair.test} of so few cannot give a p value below {comparison.alpha:g}, whatever the {each}s "
            f"are. {difference}; {more}."
        )
    return (
        f"{seen}: two {each}s hardly show {scatter}. {difference} "
        f"({pair.test}, {_p(comparison, pair)}); {more}."
    )


def _accuracy(group: Group) -> str:
    return f"{group.mean:.2f} +- {group.sd:.2f} %"


def _runs(comparison: Comparison, pair: Pair, b_first: bool = False) -> str:
    (a, b), what = pair.runs, "run" if comparison.folds is None else "fold"
    if a == b:
        return f"{a} {what} each" if a == 1 else f"{a} {what}s each"
    return f"{b} and {a} {what}s" if b_first else f"{a} and {b} {what}s"


def _interval(comparison: Comparison, pair: Pair) -> str:
    if pair.low is None or pair.high is None:
        return ""
    level = f"{100 * (1 - comparison.alpha):g}"
    return f"{level} % interval {points(pair.low)} to {points(pair.high)}; "


def _p(comparison: Comparison, pair: Pair) -> str:
    assert pair.p_value is not None and pair.corrected is not None
    number = sum(each.p_value is not None for each in comparison.pairs)
    if number == 1:
        return p_text(pair.p_value)
    if comparison.correction == "none":
        return f"{p_text(pair.p_value)}, one of {number} comparisons and not corrected for that"
    after = p_text(pair.corrected).removeprefix("p = ").removeprefix("p ")
    name = _CORRECTIONS[comparison.correction]
    return f"{p_text(pair.p_value)}, {after} after {name} for {number} comparisons"


def _meaning(pair: Pair, how: str = "good on average") -> str:
    assert pair.p_value is not None
    often = "fewer than 0.1 %" if pair.p_value < 0.001 else f"{100 * pair.p_value:.2g} %"
    if pair.p_value >= 0.995:
        often = "practically all"
    return (
        f"If both were equally {how}, a difference at least this large, either way, would come up in {often} of such "
        "comparisons; that is what p says, and not how probable it is that the difference is due to chance."
    )


def _not_equal(pair: Pair) -> str:
    text = "It is not shown that they are equal either"
    if pair.low is not None and pair.high is not None:
        text += f": the interval leaves room for {points(pair.low)} to {points(pair.high)} points"
    if pair.needed is not None and pair.needed > max(pair.runs):
        text += f"; to show a true difference as large as this one takes about {pair.needed:,} runs of each"
    return text + "."
