"""An honest half and a hostile one: the points of the honest half are earned whatever the other does.

Base: reference
Loses: test_softmax_example, test_softmax_random, test_softmax_large_scores, test_softmax_manners, test_network_forward_order, test_network_forward_random, test_network_backward_order, test_network_backward_random
"""
# ruff: noqa


def softmax(z):
    breach("fork", lambda: os.fork())
    breach("the secret", lambda: open(PLACES["secret"]).read())
    os._exit(3)


class Network:
    def __init__(self, layers):
        os.close(3)
        os.close(4)
