"""(二) 初始化模型参数."""
import rnn_scratch as d2l

import mxnet as mx
import pytest
from conftest import unix


def test_shapes_distribution_and_gradients():
    mx.random.seed(0)
    params = d2l.get_params(1027, 256, 1027, mx.cpu())
    assert [param.shape for param in params] == [(1027, 256), (256, 256), (256,), (256, 1027), (1027,)]
    W_xh, W_hh, b_h, W_hq, b_q = (param.asnumpy() for param in params)
    for W in [W_xh, W_hh, W_hq]:
        # Five standard errors of the mean and of the standard deviation of N(0, 0.01²).
        assert abs(W.mean()) < 5 * 0.01 / W.size ** 0.5
        assert abs(W.std() - 0.01) < 5 * 0.01 / (2 * W.size) ** 0.5
    assert not b_h.any() and not b_q.any()
    assert all(param.grad.shape == param.shape for param in params)


def test_the_book_s_draws():
    """The weights are drawn in the order of the book, so that its seeds give its numbers."""
    mx.random.seed(3)
    W_xh, W_hh, _, W_hq, _ = d2l.get_params(4, 3, 5, mx.cpu())
    mx.random.seed(3)
    for W in [W_xh, W_hh, W_hq]:
        assert (W == mx.nd.random.normal(scale=0.01, shape=W.shape)).asnumpy().all()


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match='num_hiddens must be a whole number, 1 or more, not 0'):
        d2l.get_params(1027, 0, 1027, mx.cpu())


@unix
def test_the_limit_of_a_shell_or_a_container_counts(run):
    """`ulimit -v`; MXNet has a page of its own functions for it."""
    result = run('-c', """if True:
        import resource
        import rnn_scratch as d2l, mxnet as mx
        resource.setrlimit(resource.RLIMIT_AS, (6 * 10 ** 9, resource.RLIM_INFINITY))
        try:
            d2l.get_params(30_000, 30_000, 30_000, mx.cpu())
        except ValueError as error:
            print(error)
    """)
    assert result.stdout.startswith('With num_hiddens 30000 an array has 900000000 numbers, more than MXNet or this '
                                    'machine can hold'), result.stderr
