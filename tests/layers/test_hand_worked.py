"""One small example per layer, worked out by hand in the comments, and the facts the lecture states."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minidl.layers as L
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD


def built(layer, input_shape, **parameters):
    """Build in float64 and set parameters by name."""
    layer.build(input_shape, 0, np.float64)
    for name, value in parameters.items():
        layer.parameters[name].value[...] = value
    return layer


def image(*rows):
    """One image of one channel, as a batch of one."""
    return np.array(rows, dtype=np.float64)[None, None]


def equal(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-15)


def test_dense():
    # W = [[1, 2, 3],     b = [0.5, 0, -1]      x = [[1, 2],
    #      [4, 5, 6]]                                [3, -1]]
    # row 1: 1*[1 2 3] + 2*[4 5 6] + b = [9, 12, 15] + b  = [9.5, 12, 14]
    # row 2: 3*[1 2 3] - 1*[4 5 6] + b = [-1, 1, 3] + b   = [-0.5, 1, 2]
    layer = built(L.Dense(3), (2,), weight=[[1, 2, 3], [4, 5, 6]], bias=[0.5, 0, -1])
    equal(layer.forward(np.array([[1.0, 2], [3, -1]])), [[9.5, 12, 14], [-0.5, 1, 2]])
    # dy = [[1, 0, 2],    dW = x^T dy = [[1*1+3*0, 1*0+3*1, 1*2+3*0],      = [[1, 3, 2],
    #       [0, 1, 0]]                   [2*1-1*0, 2*0-1*1, 2*2-1*0]]         [2, -1, 4]]
    # db = [1, 1, 2]      dx = dy W^T: row 1: [1*1+2*3, 1*4+2*6] = [7, 16]; row 2: [2, 5]
    equal(layer.backward(np.array([[1.0, 0, 2], [0, 1, 0]])), [[7, 16], [2, 5]])
    equal(layer.parameters["weight"].grad, [[1, 3, 2], [2, -1, 4]])
    equal(layer.parameters["bias"].grad, [1, 1, 2])


def test_conv2d():
    # x = 1 2 3    w = 1 0    b = 10. The kernel is laid on, not flipped: x[a, b] - x[a+1, b+1].
    #     4 5 6        0 -1
    #     7 8 9    every output: 1-5 = 2-6 = 4-8 = 5-9 = -4, plus 10 = 6
    layer = built(L.Conv2D(1, 2), (1, 3, 3), weight=[[[[1, 0], [0, -1]]]], bias=10)
    x = image([1, 2, 3], [4, 5, 6], [7, 8, 9])
    equal(layer.forward(x), image([6, 6], [6, 6]))
    # dy = 1 2    dw[i, j] = sum dy[a, b] x[a+i, b+j]:
    #      3 4      dw[0,0] = 1*1+2*2+3*4+4*5 = 37     dw[0,1] = 1*2+2*3+3*5+4*6 = 47
    #               dw[1,0] = 1*4+2*5+3*7+4*8 = 67     dw[1,1] = 1*5+2*6+3*8+4*9 = 77
    # db = 1+2+3+4 = 10
    # dx = dy at the top left, minus dy at the bottom right:
    #      1  2  0     0 0 0     1  2  0
    #      3  4  0  -  0 1 2  =  3  3 -2
    #      0  0  0     0 3 4     0 -3 -4
    equal(layer.backward(image([1, 2], [3, 4])), image([1, 2, 0], [3, 3, -2], [0, -3, -4]))
    equal(layer.parameters["weight"].grad, [[[[37, 47], [67, 77]]]])
    equal(layer.parameters["bias"].grad, [10])


def test_conv2d_sums_over_channels():
    # Two channels, a 1x1 kernel (2, -1): y = 2 * channel 0 - channel 1.
    layer = built(L.Conv2D(1, 1), (2, 1, 2), weight=[[[[2]], [[-1]]]], bias=0)
    equal(layer.forward(np.array([[[[1.0, 2]], [[5.0, 7]]]])), [[[[-3, -3]]]])
    equal(layer.backward(np.array([[[[1.0, 10]]]])), [[[[2, 20]], [[-1, -10]]]])
    equal(layer.parameters["weight"].grad, [[[[1 * 1 + 2 * 10]], [[5 * 1 + 7 * 10]]]])


def test_shared_weights_find_a_feature_wherever_it_is():
    # UU: the same weights look at every place, so a feature that moves by (4, 2) moves its response by (4, 2).
    layer = built(L.Conv2D(2, 3), (1, 12, 12))
    feature = np.arange(1.0, 10).reshape(3, 3)
    here, there = np.zeros((1, 1, 12, 12)), np.zeros((1, 1, 12, 12))
    here[..., 2:5, 3:6] = there[..., 6:9, 5:8] = feature
    y, moved = layer.forward(here), layer.forward(there)
    equal(moved[..., 4:9, 3:8], y[..., 0:5, 1:6])
    assert not np.allclose(y, moved)


def test_conv2d_same_padding_with_an_even_kernel():
    # A 2x2 kernel of ones needs one more row and column; it goes to the bottom and the right.
    # x = 1 2     padded 1 2 0     sums  1+2+3+4  2+4     = 10 6
    #     3 4            3 4 0           3+4      4           7 4
    #                    0 0 0
    layer = built(L.Conv2D(1, 2, padding="same"), (1, 2, 2), weight=1, bias=0)
    equal(layer.forward(image([1, 2], [3, 4])), image([10, 6], [7, 4]))


def test_max_pool():
    # 2x2 windows:  1 3 | 2 0      maxima 4 2       dy 10 20 goes to the places of the maxima; the
    #               4 2 | 1 2             9 5          30 40 right upper window has its 2 twice, and
    #               ---------                                the first in reading order gets it all
    #               0 9 | 5 5
    layer = built(L.MaxPool2D(2), (1, 4, 4))
    x = image([1, 3, 2, 0], [4, 2, 1, 2], [0, 9, 5, 5], [8, 7, 3, 4])
    equal(layer.forward(x), image([4, 2], [9, 5]))
    equal(
        layer.backward(image([10, 20], [30, 40])),
        image([0, 0, 20, 0], [10, 0, 0, 0], [0, 30, 40, 0], [0, 0, 0, 0]),
    )


def test_pooling_forgets_where_in_its_window_a_feature_was():
    # UU: "pooling handles distortions and rotations", as long as they stay within a window.
    layer = built(L.MaxPool2D(2), (1, 4, 4))
    outputs = []
    for row in range(4):
        for column in range(4):
            x = np.zeros((1, 1, 4, 4))
            x[0, 0, row, column] = 7
            outputs.append(layer.forward(x).tobytes())
    # sixteen places, four answers, each for four places of one window
    assert [outputs.count(y) for y in set(outputs)] == [4, 4, 4, 4]
    assert outputs[0] == outputs[1] == outputs[4] == outputs[5]


def test_overlapping_max_pool_adds_what_an_element_wins():
    # Windows of 2 with stride 1 over 1 5 2: maxima 5 and 5, both at the middle element.
    layer = built(L.MaxPool2D((1, 2), stride=1), (1, 1, 3))
    equal(layer.forward(image([1, 5, 2])), image([5, 5]))
    equal(layer.backward(image([3, 4])), image([0, 7, 0]))


def test_padding_never_wins_a_maximum():
    layer = built(L.MaxPool2D(2, padding=1), (1, 2, 2))
    equal(layer.forward(image([-1, -2], [-3, -4])), image([-1, -2], [-3, -4]))


def test_average_pool():
    # (1+3+4+2)/4 = 2.5 and (2+0+1+2)/4 = 1.25; each element gets a quarter of its window's gradient.
    layer = built(L.AvgPool2D(2), (1, 2, 4))
    equal(layer.forward(image([1, 3, 2, 0], [4, 2, 1, 2])), image([2.5, 1.25]))
    equal(layer.backward(image([4, 8])), image([1, 1, 2, 2], [1, 1, 2, 2]))


def test_average_pool_with_and_without_counting_the_padding():
    # One zero on the left: windows (0, 6) and (2, 4). The first has one real pixel: 6, or 6/2 counting zeros.
    real = built(L.AvgPool2D((1, 2), padding=((0, 0), (1, 0))), (1, 1, 3))
    equal(real.forward(image([6, 2, 4])), image([6, 3]))
    counted = built(L.AvgPool2D((1, 2), padding=((0, 0), (1, 0)), count_padding=True), (1, 1, 3))
    equal(counted.forward(image([6, 2, 4])), image([3, 3]))
    equal(real.backward(image([1, 1])), image([1, 0.5, 0.5]))
    equal(counted.backward(image([1, 1])), image([0.5, 0.5, 0.5]))


def test_l2_pool_sum_and_mean_differ_by_a_factor_of_two():
    # sqrt(1 + 4 + 4 + 16) = sqrt(25) = 5 (Nielsen); sqrt(25 / 4) = 2.5 (the slide): factor 2 for 2x2.
    x = image([1, 2], [2, 4])
    total, mean = built(L.L2Pool2D(2), (1, 2, 2)), built(L.L2Pool2D(2, mode="mean"), (1, 2, 2))
    equal(total.forward(x), image([5]))
    equal(mean.forward(x), image([2.5]))
    # dx = dy x / y = 10 x / 5 = 2 x; for the mean dy x / (4 y) = 10 x / 10 = x.
    equal(total.backward(image([10])), 2 * x)
    equal(mean.backward(image([10])), x)


def test_l2_pool_of_zeros_has_gradient_zero():
    layer = built(L.L2Pool2D(2), (1, 2, 2))
    equal(layer.forward(image([0, 0], [0, 0])), image([0]))
    equal(layer.backward(image([1])), image([0, 0], [0, 0]))


def test_global_average_pool():
    # Channel means (1+2+3+6)/4 = 3 and 10; a gradient of 4 gives 1 to each of the four pixels.
    layer = built(L.GlobalAvgPool2D(), (2, 2, 2))
    equal(layer.forward(np.array([[[[1.0, 2], [3, 6]], [[10, 10], [10, 10]]]])), [[3, 10]])
    equal(layer.backward(np.array([[4.0, 8]])), [[[[1, 1], [1, 1]], [[2, 2], [2, 2]]]])


def test_batch_norm():
    # One feature, x = 1, 3: mu = 2, var = ((-1)^2 + 1^2)/2 = 1. With eps = 3: xhat = -1/sqrt(4), 1/sqrt(4).
    # gamma = 4, beta = 10: y = 4 * -+0.5 + 10 = 8, 12.
    layer = built(L.BatchNorm(eps=3), (1,), gamma=4, beta=10)
    equal(layer.forward(np.array([[1.0], [3]]), train=True), [[8], [12]])
    # dy = 1, 0: dbeta = 1, dgamma = 1 * -0.5 = -0.5
    # dx = gamma/sqrt(var+eps) * (dy - dbeta/2 - xhat * dgamma/2) = 2 * (dy - 0.5 + xhat/4)
    #    = 2 * (1 - 0.5 - 0.125), 2 * (0 - 0.5 + 0.125) = 0.75, -0.75
    equal(layer.backward(np.array([[1.0], [0]])), [[0.75], [-0.75]])
    equal(layer.parameters["gamma"].grad, [-0.5])
    equal(layer.parameters["beta"].grad, [1])


def test_batch_norm_runs_right_from_the_first_batch():
    # Batch 1 is 1, 3: mean 2, unbiased variance 2. The running values are these, not a mixture with 0 and 1.
    layer = built(L.BatchNorm(momentum=0.5, eps=2), (1,))
    layer.forward(np.array([[1.0], [3]]), train=True)
    equal(layer.buffers["running_mean"], [2])
    equal(layer.buffers["running_var"], [2])
    # Test time: (x - 2) / sqrt(2 + 2) = (6 - 2) / 2 = 2, and dx = dy / 2.
    equal(layer.forward(np.array([[6.0]])), [[2]])
    equal(layer.backward(np.array([[3.0]])), [[1.5]])
    # Batch 2 is 4, 4 and batch 3 is 7, 7. Halves from the second on: mean (2+4)/2 = 3, then (3+7)/2 = 5.
    # Variance (2+0)/2 = 1, then 0.5.
    layer.forward(np.array([[4.0], [4]]), train=True)
    equal(layer.buffers["running_mean"], [3])
    layer.forward(np.array([[7.0], [7]]), train=True)
    equal(layer.buffers["running_mean"], [5])
    equal(layer.buffers["running_var"], [0.5])
    assert layer.buffers["batches"] == 3


def test_batch_norm_of_images_averages_over_pixels_too():
    # Channel 0 holds 0, 2 over one image of two pixels and 4, 6 in the other: mean 3, var (9+1+1+9)/4 = 5.
    layer = built(L.BatchNorm(eps=4), (1, 1, 2))
    y = layer.forward(np.array([[[[0.0, 2]]], [[[4, 6]]]]), train=True)
    equal(y, [[[[-1, -1 / 3]]], [[[1 / 3, 1]]]])


def test_dropout_drops_and_scales():
    layer = built(L.Dropout(0.75), (1000,))
    x = np.arange(1.0, 1001)[None]
    y = layer.forward(x, train=True)
    kept = y != 0
    # Kept units are multiplied by 1 / (1 - 0.75) = 4, and so are their gradients; the others get nothing.
    equal(y[kept], 4 * x[kept])
    equal(layer.backward(np.ones((1, 1000))), np.where(kept, 4.0, 0))
    # 250 of 1000 are kept in the mean, with standard deviation sqrt(1000 * 0.25 * 0.75) = 13.7.
    assert abs(kept.sum() - 250) < 5 * 13.7
    equal(layer.forward(x), x)


def test_dropouts_of_the_lecture_scale_at_test_time_by_one_minus_p():
    layer = built(L.Dropout(0.2, scaling="test"), (4000,))
    x = np.ones((1, 4000))
    train, test = layer.forward(x, train=True), layer.forward(x)
    assert set(np.unique(train)) == {0.0, 1.0}
    # The slide multiplies by p, which would be 0.2. p is realised to 1/65536.
    np.testing.assert_allclose(test, 0.8, rtol=1e-5)
    equal(layer.backward(x), test)


@pytest.mark.parametrize("scaling", ["train", "test"])
def test_dropout_keeps_the_expectation_at_p_of_one_fifth(scaling):
    # Mean of a million kept-or-dropped ones; its standard error is sqrt(0.2 * 0.8 / 1e6) / 0.8 = 0.0005 at most.
    layer = built(L.Dropout(0.2, scaling=scaling), (1000,))
    x = np.ones((1000, 1000))
    assert layer.forward(x, train=True).mean() == pytest.approx(layer.forward(x).mean(), abs=5 * 0.0005)


@pytest.mark.parametrize("scaling", ["train", "test"])
def test_the_lectures_expectation_over_the_four_thinned_networks(scaling):
    # AAR: a = w1 x + w2 y, both dropped independently with probability 1/2:
    # E[a] = 1/4 (w1x + w2y) + 1/4 w1x + 1/4 w2y + 1/4 0 = 1/2 (w1x + w2y).
    # w = (3, 5), x = (2, 4): the four values are 26, 6, 20, 0; their mean 13 is half of 26.
    drop = built(L.Dropout(0.5, scaling=scaling), (2,))
    dense = built(L.Dense(1), (2,), weight=[[3], [5]], bias=0)
    x = np.array([[2.0, 4.0]])
    gain = 2 if scaling == "train" else 1
    values = {float(dense.forward(drop.forward(x, train=True))[0, 0]) for _ in range(100)}
    assert values == {gain * total for total in (26.0, 6.0, 20.0, 0.0)}
    # The test-time network gives just that expectation, in either convention.
    equal(dense.forward(drop.forward(x)), [[gain * 13]])


def test_two_dropouts_of_a_network_do_not_share_a_mask():
    model = built(L.Sequential([L.Dropout(0.5), L.Dropout(0.5)]), (400,))
    # Shared masks would leave half, independent ones a quarter: 100 +- sqrt(400 * 1/4 * 3/4) = 8.7
    assert abs(np.count_nonzero(model.forward(np.ones((1, 400)), train=True)) - 100) < 5 * 8.7
    # Nielsen's network3 did share them; a fixed seed brings that back.
    shared = built(L.Sequential([L.Dropout(0.5, seed=985772), L.Dropout(0.5, seed=985772)]), (400,))
    assert abs(np.count_nonzero(shared.forward(np.ones((1, 400)), train=True)) - 200) < 5 * 10


def test_flatten_and_reshape():
    # Row-major: channel by channel, row by row.
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    flatten = built(L.Flatten(), (2, 2, 2))
    assert flatten.output_shape == (8,)
    equal(flatten.forward(x), [[0, 1, 2, 3, 4, 5, 6, 7]])
    equal(flatten.backward(np.arange(8.0)[None]), x)
    reshape = built(L.Reshape((4, -1)), (2, 2, 2))
    assert reshape.output_shape == (4, 2)
    equal(reshape.forward(x), [[[0, 1], [2, 3], [4, 5], [6, 7]]])
    equal(reshape.backward(np.arange(8.0).reshape(1, 4, 2)), x)


def test_sigmoid():
    # sigma(ln 3) = 1/(1 + 1/3) = 3/4, slope 3/4 * 1/4 = 3/16; sigma(0) = 1/2, slope 1/4.
    layer = built(L.Sigmoid(), (2,))
    equal(layer.forward(np.array([[math.log(3), 0.0]])), [[0.75, 0.5]])
    equal(layer.backward(np.array([[16.0, 4.0]])), [[3, 1]])


def test_sigmoid_is_a_tanh_in_disguise():
    # UU, equation 3: sigma(z) = (1 + tanh(z/2)) / 2.
    z = np.linspace(-8, 8, 33)[None]
    sigmoid, tanh = built(L.Sigmoid(), (33,)), built(L.Tanh(), (33,))
    np.testing.assert_allclose(sigmoid.forward(z), (1 + tanh.forward(z / 2)) / 2, rtol=1e-14)
    np.testing.assert_allclose(sigmoid.forward(z), 1 / (1 + np.exp(-z)), rtol=1e-12)


def test_tanh():
    # tanh(ln 2) = (2 - 1/2)/(2 + 1/2) = 3/5, slope 1 - 9/25 = 16/25.
    layer = built(L.Tanh(), (2,))
    equal(layer.forward(np.array([[math.log(2), 0.0]])), [[0.6, 0]])
    equal(layer.backward(np.array([[25.0, 2.0]])), [[16, 2]])


def test_relu_and_its_relatives():
    x, dy = np.array([[-2.0, 0.0, 3.0]]), np.array([[10.0, 10.0, 10.0]])
    relu = built(L.ReLU(), (3,))
    equal(relu.forward(x), [[0, 0, 3]])
    equal(relu.backward(dy), [[0, 0, 10]])
    # The lecture's leaky ReLU is max(0.1 x, x).
    leaky = built(L.LeakyReLU(), (3,))
    equal(leaky.forward(x), [[-0.2, 0, 3]])
    equal(leaky.backward(dy), [[1, 1, 10]])
    # ELU with alpha = 2 at -ln 2: 2 * (1/2 - 1) = -1, slope y + alpha = 1; above zero slope 1 whatever alpha.
    elu = built(L.ELU(2.0), (3,))
    equal(elu.forward(np.array([[-math.log(2), 0.5, 3.0]])), [[-1, 0.5, 3]])
    equal(elu.backward(dy), [[10, 10, 10]])


def test_softmax():
    # exp(0), exp(ln 3): 1 and 3, so 1/4 and 3/4. dx = y (dy - dy.y) with dy = (4, 0): dy.y = 1,
    # dx = 1/4 * 3, 3/4 * -1. Adding 1000 to both scores changes nothing.
    layer = built(L.Softmax(), (2,))
    equal(layer.forward(np.array([[0.0, math.log(3)]])), [[0.25, 0.75]])
    equal(layer.backward(np.array([[4.0, 0.0]])), [[0.75, -0.75]])
    np.testing.assert_allclose(
        layer.forward(np.array([[1000.0, 1000 + math.log(3)]])), [[0.25, 0.75]], rtol=1e-12
    )


def test_identity():
    layer = built(L.Identity(), (2,))
    equal(layer.forward(np.array([[1.0, -2]])), [[1, -2]])
    equal(layer.backward(np.array([[3.0, 4]])), [[3, 4]])


def test_sequential_is_the_chain_rule():
    # x = 2 -> Dense 3x + 1 = 7 -> ReLU 7 -> Dense -2x = -14. Backward from 1: -2, -2, dx = -2 * 3 = -6;
    # the gradients of the weights are -2 * 2 = -4 and 1 * 7 = 7, of the biases -2 and 1.
    model = built(L.Sequential([L.Dense(1), L.ReLU(), L.Dense(1)]), (1,))
    for path, parameter in model.named_parameters():
        parameter.value[...] = {"0.weight": 3, "0.bias": 1, "2.weight": -2, "2.bias": 0}[path]
    equal(model.forward(np.array([[2.0]]), train=True), [[-14]])
    equal(model.backward(np.array([[1.0]])), [[-6]])
    assert {path: float(p.grad.item()) for path, p in model.named_parameters()} == {
        "0.weight": -4,
        "0.bias": -2,
        "2.weight": 7,
        "2.bias": 1,
    }


def test_a_batch_as_a_matrix_is_the_mean_over_its_examples():
    # UU: the whole mini-batch at once, in matrices. The gradient is that of a loop over the examples, divided by m;
    # so a step with the mean (UU, eq. 5) at rate m * eta is a step with the sum (eq. 6) at rate eta.
    model, loss = built(L.Sequential([L.Dense(5), L.Sigmoid(), L.Dense(3)]), (4,)), SoftmaxCrossEntropy()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), rng.integers(3, size=6)

    def gradients(rows):
        value = loss.forward(model.forward(x[rows], train=True), y[rows])
        model.backward(loss.backward())
        return [value, *(parameter.grad.copy() for _, parameter in model.named_parameters())]

    together = gradients(slice(None))
    singly = [sum(parts) for parts in zip(*(gradients([k]) for k in range(6)), strict=True)]
    for of_mean, of_sum in zip(together, singly, strict=True):
        np.testing.assert_allclose(6 * of_mean, of_sum, rtol=1e-12, atol=1e-15)
    start = [parameter.value.copy() for _, parameter in model.named_parameters()]
    gradients(slice(None))
    SGD(6 * 0.1).step(model.named_parameters())
    for before, of_sum, (_, parameter) in zip(start, singly[1:], model.named_parameters(), strict=True):
        np.testing.assert_allclose(parameter.value, before - 0.1 * of_sum, rtol=1e-12)


def test_residual_adds_the_input():
    # y = 3 x + x = 4 x, dx = 3 dy + dy; with the shortcut 10 x: 13.
    plain = built(L.Residual(L.Dense(1)), (1,))
    plain.body.parameters["weight"].value[...] = 3
    equal(plain.forward(np.array([[2.0]])), [[8]])
    equal(plain.backward(np.array([[5.0]])), [[20]])
    other = built(L.Residual(L.Dense(1), shortcut=L.Dense(1)), (1,))
    other.body.parameters["weight"].value[...] = 3
    other.shortcut.parameters["weight"].value[...] = 10
    equal(other.forward(np.array([[2.0]])), [[26]])
    equal(other.backward(np.array([[5.0]])), [[65]])
    assert [path for path, _ in other.named_parameters()] == [
        "body.weight",
        "body.bias",
        "shortcut.weight",
        "shortcut.bias",
    ]


def test_branches_split_and_join():
    # Heads 2x and 3x of x = 1: outputs 2 and 3; gradients 10 and 100 give dx = 2*10 + 3*100 = 320.
    heads = built(L.Branches({"a": L.Dense(1), "b": L.Dense(1)}), (1,))
    joined = built(L.Branches([L.Dense(1), L.Dense(1)], merge="concat"), (1,))
    for model in (heads, joined):
        for value, (_, head) in zip((2, 3), model.children(), strict=True):
            head.parameters["weight"].value[...] = value
    first, second = heads.forward(np.array([[1.0]]))
    equal(first, [[2]])
    equal(second, [[3]])
    equal(heads.backward((np.array([[10.0]]), np.array([[100.0]]))), [[320]])
    equal(joined.forward(np.array([[1.0]])), [[2, 3]])
    equal(joined.backward(np.array([[10.0, 100.0]])), [[320]])
    assert heads.output_shape == ((1,), (1,)) and joined.output_shape == (2,)


def test_a_students_layer_in_a_network():
    class Double:
        def forward(self, x):
            return 2 * x

        def backward(self, dy):
            return 2 * dy

    model = built(L.Sequential([L.Dense(1), Double()]), (1,))
    model.layers[0].parameters["weight"].value[...] = 3
    equal(model.forward(np.array([[5.0]])), [[30]])
    equal(model.backward(np.array([[1.0]])), [[6]])
    equal(model.layers[0].parameters["weight"].grad, [[10]])


# Sizes and counts that the lecture states.


def test_sizes_of_the_lecture():
    # UU: a 5x5 kernel takes 28x28 to 24x24, and 2x2 pooling 24x24 to 12x12.
    assert L.Conv2D(20, 5).build((1, 28, 28)) == (20, 24, 24)
    assert L.MaxPool2D(2).build((20, 24, 24)) == (20, 12, 12)
    assert L.Conv2D(40, 5).build((20, 12, 12)) == (40, 8, 8)
    assert L.Conv2D(3, 5, stride=2).build((1, 28, 28)) == (3, 12, 12)
    assert L.Conv2D(3, 5, padding="same", stride=2).build((1, 28, 27)) == (3, 14, 14)


def test_a_convolution_has_forty_times_fewer_parameters():
    dense, conv = L.Dense(30), L.Conv2D(20, 5)
    dense.build((784,))
    conv.build((1, 28, 28))
    assert (dense.parameter_count(), conv.parameter_count()) == (784 * 30 + 30, 20 * 25 + 20) == (23_550, 520)
    # In the second layer a filter is a 20x5x5 tensor (erratum 4).
    second = L.Conv2D(40, 5)
    second.build((20, 12, 12))
    assert second.parameters["weight"].value.shape == (40, 20, 5, 5)


def _block(filters):
    return [L.Conv2D(filters, 5), L.MaxPool2D(2), L.ReLU()]


@pytest.mark.parametrize(
    ("blocks", "hidden", "count"),
    [
        ((), (100,), 79_510),
        ((20,), (100,), 289_630),
        ((20,), (), 29_330),
        ((20, 40), (100,), 85_670),
        ((20, 40), (300,), 215_870),
        ((20, 40), (1000,), 671_570),
        ((20, 40), (100, 100), 95_770),
        ((20, 40), (300, 300), 306_170),
        ((20, 40), (1000, 1000), 1_672_570),
    ],
)
def test_parameter_counts_of_the_rungs(blocks, hidden, count):
    layers = [layer for filters in blocks for layer in _block(filters)] + [L.Flatten()]
    layers += [layer for units in hidden for layer in (L.Dense(units), L.ReLU())] + [L.Dense(10)]
    model = L.Sequential(layers)
    assert model.build((1, 28, 28)) == (10,)
    assert model.parameter_count() == count
