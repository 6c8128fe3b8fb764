"""The reference of this exercise trains as the library does: the same weights, batches and losses."""

import numpy as np

import minidl


def agree_training(submission, rng):
    theirs = submission.call("build", 6, (5, 4), 3, int(rng.integers(1000)))
    ours = minidl.Sequential(
        [minidl.Dense(5), minidl.Sigmoid(), minidl.Dense(4), minidl.Sigmoid(), minidl.Dense(3)]
    )
    ours.build((6,), rng=0, dtype=np.float64)
    for mine, layer in zip(ours.layers, theirs.layers, strict=True):
        for name, parameter in mine.parameters.items():
            parameter.value[...] = getattr(layer, name)
            setattr(layer, name, parameter.value)
    x, labels, seed = rng.normal(size=(23, 6)), rng.integers(0, 3, size=23), int(rng.integers(1000))
    loss, optimizer, penalty = minidl.SoftmaxCrossEntropy(), minidl.SGD(0.7), minidl.L2(0.05)
    history, generator = [], np.random.default_rng(seed)
    for _ in range(3):
        total = 0.0
        for chosen in np.array_split(generator.permutation(23), [5, 10, 15, 20]):
            total += len(chosen) * float(loss.forward(ours.forward(x[chosen], train=True), labels[chosen]))
            ours.backward(loss.backward())
            penalty.add_gradient(ours.named_parameters())
            optimizer.step(ours.named_parameters())
        history.append(total / 23)
    found = theirs.fit(x, labels, 3, 5, 0.7, submission.generator(seed), penalty.strength)
    np.testing.assert_allclose(found, history, rtol=1e-9)
    np.testing.assert_array_equal(theirs.predict(x), ours.forward(x).argmax(axis=1))


def agree_on_a_convolutional_network(submission, rng):
    theirs = submission.call("build_convolutional", (2, 9, 8), 3, 4, int(rng.integers(1000)))
    ours = minidl.Sequential(
        [minidl.Conv2D(3, 3), minidl.MaxPool2D(2), minidl.ReLU(), minidl.Flatten(), minidl.Dense(4)]
    )
    ours.build((2, 9, 8), rng=0, dtype=np.float64)
    for mine, layer in zip(ours.layers, theirs.layers, strict=True):
        for name, parameter in mine.parameters.items():
            parameter.value[...] = getattr(layer, name)
            setattr(layer, name, parameter.value)
    x = rng.normal(size=(5, 2, 9, 8))
    np.testing.assert_allclose(theirs.forward(x), ours.forward(x), rtol=1e-9)
