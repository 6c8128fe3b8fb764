"""The promises of the docstrings, on labels and curves that are drawn anew for every grading."""

import numpy as np

from minidl.grading import expect, task


def pairs(rng, count, classes):
    """Return labels and predictions in which some classes do not occur, and a usual mistake comes often."""
    labels, predictions = rng.integers(0, classes - 1, size=(2, count))
    predictions = np.where(rng.random(count) < 0.6, labels, predictions)
    if classes > 3:
        labels[labels == 1] = 0
        predictions[predictions == 2] = 0
    return labels, predictions


def counted(labels, predictions, classes):
    """Return the confusion matrix, counted one by one."""
    matrix = np.zeros((classes, classes), int)
    for label, prediction in zip(labels, predictions, strict=True):
        matrix[label, prediction] += 1
    return matrix


def unequal(rng, classes, largest=13):
    """Return labels in random order with different numbers of examples of every class."""
    sizes = rng.permutation(np.arange(1, largest + 1))[:classes]
    return rng.permutation(np.repeat(np.arange(classes), sizes))


# 7.1 ---------------------------------------------------------------------------------------------


@task(
    "7.1",
    points=1,
    visibility="hint",
    hint="K by K, also if the last classes do not occur; rows are the true classes",
)
def test_confusion_matrix_random(submission, rng):
    """confusion_matrix is right for any number of classes and examples, of which one is enough."""
    for count, classes in ((50, 3), (200, 7), (1, 4), (9, 10)):
        labels, predictions = pairs(rng, count, classes)
        found = submission.call("confusion_matrix", labels, predictions, classes)
        right = counted(labels, predictions, classes)
        what = f"confusion_matrix of {count} examples and {classes} classes"
        expect.close(found, right, what, mistakes={"rows and columns are exchanged": right.T})


@task("7.1", points=1, visibility="hint", hint="counts are whole numbers: np.zeros(shape, int)")
def test_confusion_matrix_manners(submission, rng):
    """confusion_matrix holds whole numbers and leaves its arguments as they are."""
    labels, predictions = pairs(rng, 30, 4)
    sent = submission.array(labels), submission.array(predictions)
    found = submission.call("confusion_matrix", *sent, 4)
    expect.shape(found, (4, 4), "confusion_matrix(labels, predictions, 4)")
    expect.that(found.dtype.kind in "iu", f"confusion_matrix returns {found.dtype}, expected whole numbers")
    expect.unchanged(sent[0], labels, "labels")
    expect.unchanged(sent[1], predictions, "predictions")
    right = np.diag(counted(labels, predictions, 4))
    expect.close(np.diag(found), right, "the diagonal of confusion_matrix(labels, predictions, 4)")


# 7.2 ---------------------------------------------------------------------------------------------


def right_scores(matrix):
    """Return precision, recall and F1 of every class, one by one."""
    rows = []
    for k in range(len(matrix)):
        hits, called, true = int(matrix[k, k]), int(matrix[:, k].sum()), int(matrix[k].sum())
        f1 = 2 * hits / (called + true) if called + true else 0
        rows.append((hits / called if called else 0, hits / true if true else 0, f1))
    return np.array(rows, float).T


def three(found):
    """Expect three answers."""
    expect.that(
        isinstance(found, tuple) and len(found) == 3, "class_scores must return three arrays: return a, b, c"
    )
    return found


@task("7.2", points=2, visibility="hint", hint="columns for the precision, rows for the recall, both for F1")
def test_class_scores_random(submission, rng):
    """class_scores is right for any matrix."""
    for classes in (2, 3, 5):
        matrix = rng.integers(1, 30, size=(classes, classes))
        found = three(submission.call("class_scores", matrix))
        for value, right, name in zip(
            found, right_scores(matrix), ("precision", "recall", "f1"), strict=True
        ):
            expect.close(value, right, f"the {name} for {classes} classes")


@task(
    "7.2",
    points=2,
    visibility="hint",
    hint="where there is nothing to divide by, the score is 0; F1 from the counts",
)
def test_class_scores_empty(submission, rng):
    """class_scores is 0, not NaN, for classes that do not occur, were never called, or both."""
    matrix = counted(*pairs(rng, 40, 5), 5)
    sent = submission.array(matrix)
    found = three(submission.call("class_scores", sent))
    for value, right, name in zip(found, right_scores(matrix), ("precision", "recall", "f1"), strict=True):
        what = f"the {name}, where a class does not occur or was never called"
        expect.finite(value, what)
        expect.close(value, right, what)
    expect.unchanged(sent, matrix, "matrix")


# 7.3 ---------------------------------------------------------------------------------------------


@task("7.3", points=2, visibility="hint", hint="leave out the classes without examples: they have no recall")
def test_balanced_accuracy_random(submission, rng):
    """balanced_accuracy is right for any matrix, also if classes do not occur."""
    for classes, count in ((3, 30), (6, 60), (4, 1)):
        matrix = counted(*pairs(rng, count, classes), classes)
        there = matrix.sum(axis=1) > 0
        recall = right_scores(matrix)[1]
        found = submission.call("balanced_accuracy", matrix)
        mistakes = {"classes without examples are counted as 0": recall.mean()}
        what = f"balanced_accuracy for {classes} classes, not all of which occur"
        expect.close(found, recall[there].mean(), what, mistakes=mistakes)


# 7.4 ---------------------------------------------------------------------------------------------


@task("7.4", points=1, visibility="hint", hint="N / (K n_k)")
def test_class_weights_random(submission, rng):
    """class_weights is right for any number of classes; each class has the same weight in all."""
    for classes in (2, 4, 7):
        labels = unequal(rng, classes)
        sent = submission.array(labels)
        found = submission.call("class_weights", sent, classes)
        right = np.array([len(labels) / classes / np.sum(labels == k) for k in range(classes)])
        expect.close(found, right, f"class_weights of {len(labels)} labels of {classes} classes")
        expect.unchanged(sent, labels, "labels")


@task("7.4", points=1, visibility="hint", hint="raise ValueError if a count is 0, also of the last class")
def test_class_weights_refuses(submission, rng):
    """class_weights raises ValueError if a class has no example."""
    labels = unequal(rng, 3)
    for classes, some in ((5, labels), (3, labels[labels != 1]), (4, labels + 1)):
        what = "class_weights where a class has no example"
        expect.raises(lambda c=classes, s=some: submission.call("class_weights", s, c), "ValueError", what)
    right = np.array([len(labels) / 3 / np.sum(labels == k) for k in range(3)])
    expect.close(submission.call("class_weights", labels, 3), right, "class_weights where no class is empty")


# 7.5 ---------------------------------------------------------------------------------------------


def indices(found, count, labels):
    """Expect an array of `count` indices of labels."""
    expect.shape(found, (count,), "oversample(labels, generator)")
    expect.that(found.dtype.kind in "iu", f"oversample must return indices, whole numbers, got {found.dtype}")
    expect.that(((found >= 0) & (found < len(labels))).all(), "oversample returns indices that do not exist")
    return found.astype(np.int64)


@task(
    "7.5",
    points=2,
    visibility="hint",
    hint="each example of a class equally often, up to one: tile, and choose the rest",
)
def test_oversample_random(submission, rng):
    """oversample makes all classes that occur equal, and treats the examples of a class alike."""
    for classes in (2, 3, 5):
        labels = unequal(rng, classes)
        labels = np.where(labels == 1, 9, labels)  # classes that do not occur between those that do
        largest = np.bincount(labels).max()
        found = submission.call("oversample", labels, submission.generator(int(rng.integers(1000))))
        found = indices(found, classes * largest, labels)
        times = np.bincount(found, minlength=len(labels))
        for label in np.unique(labels):
            often = times[labels == label]
            expect.equal(int(often.sum()), int(largest), f"how often class {label} comes, after oversample")
            fair = often.max() - often.min() <= 1
            expect.that(fair, "within a class some examples come two times more often than others")


@task(
    "7.5",
    points=1,
    visibility="hint",
    hint="take every random number from the generator that is the argument",
)
def test_oversample_generator(submission, rng):
    """oversample gives the same for generators in the same state, and something else for others."""
    labels, seed = unequal(rng, 4), int(rng.integers(1000))
    count = 4 * int(np.bincount(labels).max())
    sent = submission.array(labels)
    draws = [
        indices(submission.call("oversample", sent, submission.generator(s)), count, labels)
        for s in (seed, seed, seed + 1)
    ]
    expect.that((draws[0] == draws[1]).all(), "two generators with the same seed give different indices")
    expect.that((draws[0] != draws[2]).any(), "generators with different seeds give the same indices")
    expect.unchanged(sent, labels, "labels")


@task(
    "7.5",
    points=1,
    visibility="hint",
    hint="shuffle in the end; and who comes once more is drawn, not always the first",
)
def test_oversample_shuffles(submission, rng):
    """oversample gives the indices in random order, and draws those that come once more."""
    labels = np.repeat([0, 1], [60, 33])
    extra = []
    for seed in rng.integers(1000, size=2):
        found = indices(submission.call("oversample", labels, submission.generator(int(seed))), 120, labels)
        classes = labels[found]
        changes = int(np.sum(classes[1:] != classes[:-1]))
        expect.that(
            35 < changes < 85, "the indices are not in random order: classes lie together, or alternate"
        )
        rising = int(np.sum(np.diff(found[classes == 0]) > 0))
        expect.that(14 < rising < 45, "the indices of a class are not in random order")
        extra.append(np.flatnonzero(np.bincount(found, minlength=93)[60:] == 2))
    expect.that(
        all(len(e) == 27 for e in extra), "27 of the 33 examples of the small class should come twice"
    )
    expect.that((extra[0] != extra[1]).any(), "the same examples come once more, whatever the generator")


# 7.6 ---------------------------------------------------------------------------------------------


def averaged(losses, beta):
    """Return the corrected running average, as the weighted mean that it is."""
    result = []
    for t in range(1, len(losses) + 1):
        weights = beta ** np.arange(t - 1, -1, -1)
        result.append(np.sum(weights * losses[:t]) / weights.sum())
    return np.array(result)


@task("7.6", points=2, visibility="hint", hint="equation (6), with t from 1; the usual beta is 0.9")
def test_smooth_random(submission, rng):
    """smooth is right for any beta and length."""
    for beta, count in ((0.9, 30), (0.5, 8), (0.0, 4), (0.98, 1)):
        losses = rng.uniform(0.5, 3, size=count)
        found = submission.call("smooth", losses, beta)
        mistakes = {"beta and 1 - beta are exchanged": averaged(losses, 1 - beta)}
        what = f"smooth of {count} losses with beta {beta}"
        expect.close(found, averaged(losses, beta), what, mistakes=mistakes)
    losses = rng.uniform(0.5, 3, size=12)
    expect.close(
        submission.call("smooth", losses), averaged(losses, 0.9), "smooth(losses) with the usual beta"
    )


@task("7.6", points=1, visibility="hint", hint="an array for the result: that of the losses is the caller's")
def test_smooth_manners(submission, rng):
    """smooth leaves the losses as they are, takes whole numbers, and keeps equal losses equal."""
    losses = rng.uniform(1, 9, size=10)
    sent = submission.array(losses)
    submission.call("smooth", sent, 0.7)
    expect.unchanged(sent, losses, "losses")
    whole = rng.integers(1, 9, size=10)
    expect.close(submission.call("smooth", whole, 0.7), averaged(whole, 0.7), "smooth of whole numbers")
    expect.close(submission.call("smooth", np.full(6, 2.5)), np.full(6, 2.5), "smooth of equal losses")


# 7.7 ---------------------------------------------------------------------------------------------


@task(
    "7.7",
    points=2,
    visibility="hint",
    hint="the smallest until then, not of all; larger, not larger or equal",
)
def test_usable_random(submission, rng):
    """usable finds the first loss above factor times the smallest until then, and only that."""
    for factor in (4.0, 2.0, 1.5):
        falling = np.sort(rng.uniform(1, 2, size=8))[::-1]
        low = float(falling[-1])
        top = float(factor * low)
        late = np.concatenate([falling, [top * 0.99, top * 1.01, low / 2]])
        expect.equal(submission.call("usable", late, factor), 9, f"usable with factor {factor}")
        start = np.array([9.0 * factor, 1.0, 0.99 * factor, 0.5, 0.49 * factor, 0.51 * factor, 0.1])
        expect.equal(submission.call("usable", start, factor), 5, f"usable with factor {factor}, later")
    exactly = np.array([3.0, 1.0, 4.0, 0.5, 2.0])
    expect.equal(
        submission.call("usable", exactly), 5, "usable where a loss is exactly four times the smallest"
    )
    expect.equal(
        submission.call("usable", np.array([3.0, 1.0, 4.0625, 9.0])), 2, "usable with the usual factor"
    )


@task("7.7", points=1, visibility="hint", hint="np.isfinite; and the answer is T if nothing diverges")
def test_usable_not_finite(submission, rng):
    """usable stops at NaN and infinity, wherever they are, and gives T if there is nothing to stop at."""
    losses = rng.uniform(1, 3, size=9)
    expect.equal(submission.call("usable", losses), 9, "usable of losses that do not diverge")
    for value in (np.nan, np.inf):
        for place in (0, 4, 8):
            broken = losses.copy()
            broken[place] = value
            expect.equal(submission.call("usable", broken), place, f"usable with {value} at {place}")


# 7.8 ---------------------------------------------------------------------------------------------


def steepest(rates, smoothed):
    """Return the right suggestion, piece by piece."""
    best, answer = 0.0, None
    for i in range(int(np.argmin(smoothed))):
        slope = (smoothed[i + 1] - smoothed[i]) / np.log10(rates[i + 1] / rates[i])
        if slope < best:
            best, answer = slope, (rates[i] * rates[i + 1]) ** 0.5
    return answer


@task("7.8", points=2, visibility="hint", hint="fall over distance of the logarithms, up to the lowest loss")
def test_suggest_rate_random(submission, rng):
    """suggest_rate is right for rates at equal and at different factors."""
    for count in (4, 12, 30, 31):
        rates = 10 ** np.cumsum(rng.uniform(0.05, 0.4, size=count) - 0.01) * 1e-5
        smoothed = rng.uniform(1, 3, size=count)
        smoothed[0], smoothed[count // 2] = 2.5, 0.2
        smoothed[-1] = 0.9  # a steep fall after the lowest loss counts for nothing
        smoothed[-2] = 30.0 if count > 4 else smoothed[-2]
        found = submission.call("suggest_rate", rates, smoothed)
        expect.close(found, steepest(rates, smoothed), f"suggest_rate for {count} rates")


@task("7.8", points=1, visibility="hint", hint="if the first loss is the lowest, nothing was learned: None")
def test_suggest_rate_none(submission, rng):
    """suggest_rate is None if no loss is below the first, and leaves its arguments as they are."""
    rates, smoothed = np.geomspace(1e-4, 1, 8), rng.uniform(1, 2, size=8)
    smoothed[0] = 0.9
    sent = submission.array(rates), submission.array(smoothed)
    expect.equal(
        submission.call("suggest_rate", *sent), None, "suggest_rate where no loss is below the first"
    )
    expect.unchanged(sent[0], rates, "rates")
    expect.unchanged(sent[1], smoothed, "smoothed")
    smoothed[1:3] = [0.6, 0.5]
    found = submission.call("suggest_rate", rates, smoothed)
    expect.close(found, steepest(rates, smoothed), "suggest_rate where the loss falls at the first rates")


# 7.9 ---------------------------------------------------------------------------------------------


def falling(rng, count):
    """Return a training curve that has come down, and a validation curve a little above it."""
    train = 0.3 + 2 * np.exp(-np.arange(count) * 12 / count)
    return train, train + float(rng.uniform(0.1, 0.3))


def verdict(submission, curves, right, why):
    """Expect a verdict."""
    train, validation = (np.asarray(curve, float) for curve in curves)
    expect.equal(submission.call("read_curves", train, validation), right, f"read_curves {why}")


@task(
    "7.9",
    points=2,
    visibility="hint",
    hint="rule 1: not finite, more than 3 in 10 steps up, or no lower in the end",
)
def test_read_curves_too_high(submission, rng):
    """read_curves says "too high" for curves that explode, jump or end where they began, and only then."""
    count = int(rng.integers(12, 24))
    for which in (0, 1):
        curves = falling(rng, count)
        verdict(submission, curves, "good", "of curves that come down")
        curves[which][int(rng.integers(count))] = rng.choice([np.nan, np.inf])
        verdict(submission, curves, "too high", "with a loss that is not finite")
    for rises, right in ((3, "good"), (4, "too high")):
        steps = rng.permutation(np.repeat([0.001, -0.2], [rises, 10 - rises]))
        train = np.cumsum(np.append(3, steps))
        train[-3:] = train[-4] + np.cumsum(np.where(steps[-3:] > 0, 0.001, -0.0001))  # flat in the end
        verdict(submission, (train, np.full(11, 3.0)), right, f"where {rises} of 10 steps go up")
    flat = np.array([3.0, 2.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4])
    verdict(submission, (flat, np.full(11, 3.0)), "good", "where no step goes up, and many are level")
    late = np.append(np.linspace(2, 1, count), [1.5, 2.0])
    verdict(
        submission, (late, np.full(count + 2, 3.0)), "too high", "where the loss ends as high as it began"
    )
    late[-1] = 1.99
    verdict(submission, (late, np.full(count + 2, 3.0)), "good", "where the loss ends a little lower")


@task(
    "7.9",
    points=1,
    visibility="hint",
    hint="rule 2, before rule 3: the mean of the last quarter against the lowest validation loss",
)
def test_read_curves_overfitting(submission, rng):
    """read_curves says "overfitting" if the validation loss has risen by more than a tenth, and only then."""
    for count in (4, 7, 8, 19, 24):
        for factor, right in ((1.08, "good"), (1.12, "overfitting")):
            train, validation = falling(rng, count)
            train[-(count // 4) - 1 :] = train[-(count // 4) - 1]
            train[-1] -= 1e-6
            quarter = count // 4
            validation[: count - quarter] = np.maximum(validation[: count - quarter], 1.0)
            validation[count - quarter - 1] = 1.0
            slope = 0.05 if right == "good" else -0.05  # the last value alone would mislead
            validation[-quarter:] = factor + slope * (
                np.linspace(-1, 1, quarter) if quarter > 1 else np.zeros(1)
            )
            why = f"of {count} epochs, the last quarter at {factor} times the lowest validation loss"
            verdict(submission, (train, validation), right, why)
    steady = np.linspace(2, 0.1, 16)  # falls as with too low a rate, but rule 2 comes before rule 3
    verdict(
        submission,
        (steady, np.append(np.full(8, 1.0), np.full(8, 2.0))),
        "overfitting",
        "where rules 2 and 3 hold",
    )


@task("7.9", points=1, visibility="hint", hint="rule 3: the fall in the last quarter against the whole fall")
def test_read_curves_too_low(submission, rng):
    """read_curves says "too low" if more than a tenth of the whole fall lies in the last quarter of the epochs."""
    for count in (4, 7, 12, 23, 40):
        quarter = count // 4
        for share, right in ((0.095, "good"), (0.105, "too low")):
            start, fall = rng.uniform(2, 4), float(rng.uniform(0.5, 1.5))
            points = [0, count - 1 - quarter, count - 1]
            train = np.interp(np.arange(count), points, [start, start - (1 - share) * fall, start - fall])
            why = f"of {count} epochs, with {share} of the fall in the last quarter"
            verdict(submission, (train, train + 0.2), right, why)
    exactly = [12.0, 9.0, 3.0, 2.0]
    verdict(submission, (exactly, exactly), "good", "with exactly a tenth of the fall in the last quarter")
