"""The recipe of the Utrecht lecture: what its first steps find on the problem they begin with, zeros against ones."""

from minidl import SGD, Dense, Flatten, Sequential, SoftmaxCrossEntropy
from minidl.data import Loader, Split, load
from minidl.training import Trainer


def test_zeros_against_ones_with_half_of_the_rate_that_is_too_much():
    digits = load("digits")
    chosen, judged = digits.train.labels < 2, digits.validation.labels < 2
    loader = Loader(digits.train.images[chosen], digits.train.labels[chosen], 10, seeds=0)

    def network():
        model = Sequential([Flatten(), Dense(2)])  # the smallest there is
        model.build((1, 28, 28), rng=0)
        return model

    def after_an_epoch(rate):
        trainer = Trainer(network(), SoftmaxCrossEntropy(), SGD(lr=rate), progress=False)
        validation = Split(digits.validation.images[judged], digits.validation.labels[judged])
        row = trainer.fit(loader, 1, validation).rows[-1]
        return row["train_loss"], row["val_accuracy"]

    # From 0.01 up by tens, until a higher rate no longer gives a lower loss: it oscillates.
    rates = [0.01 * 10**k for k in range(6)]
    losses = [after_an_epoch(rate)[0] for rate in rates]
    worse = next(k for k in range(1, 6) if losses[k] > losses[k - 1])
    assert worse > 1 and losses[0] > 2 * losses[worse - 1]  # 0.01 was too little
    loss, accuracy = after_an_epoch(rates[worse] / 2)
    assert loss < losses[worse] and accuracy > 0.95
