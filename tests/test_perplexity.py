"""(五) 困惑度."""
import math

import rnn_scratch as d2l

import pytest
from mxnet import gluon, nd


def test_the_best_case_is_one():
    assert d2l.perplexity(0.0, 7) == 1


@pytest.mark.parametrize('l_sum', [math.inf, 7 * 1e6])
def test_the_worst_case_is_infinite(l_sum):
    assert d2l.perplexity(l_sum, 7) == math.inf


def test_the_baseline_is_the_number_of_classes():
    """Equal scores for all 1,027 characters, through gluon's own cross-entropy."""
    loss = gluon.loss.SoftmaxCrossEntropyLoss()(nd.zeros((7, 1027)), nd.arange(7))
    assert d2l.perplexity(loss.sum().asscalar(), 7) == pytest.approx(1027, rel=1e-5)


def test_in_between():
    """Probabilities 1/2, 1/4 and 1/8: the geometric mean is 1/4, so the model chooses among 4."""
    assert d2l.perplexity(math.log(2) + math.log(4) + math.log(8), 3) == pytest.approx(4)


def test_nothing_predicted_is_refused():
    with pytest.raises(ValueError, match='not 0'):
        d2l.perplexity(0.0, 0)
