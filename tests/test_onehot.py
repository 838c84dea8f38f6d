"""(一) one-hot向量."""
import rnn_scratch as d2l

import numpy as np
import pytest
from mxnet import nd


def test_the_chapter_s_example():
    inputs = d2l.to_onehot(nd.arange(10).reshape((2, 5)), 1027)
    assert (len(inputs), inputs[0].shape) == (5, (2, 1027))


def test_rows_of_the_identity():
    X = np.random.RandomState(0).randint(7, size=(4, 3))
    inputs = d2l.to_onehot(nd.array(X), 7)
    assert len(inputs) == 3
    for t, matrix in enumerate(inputs):
        np.testing.assert_array_equal(matrix.asnumpy(), np.eye(7)[X[:, t]])


def test_one_dimension_is_one_sequence():
    inputs = d2l.to_onehot(nd.array([2, 0]), 3)
    np.testing.assert_array_equal([matrix.asnumpy() for matrix in inputs], [[[0, 0, 1]], [[1, 0, 0]]])


def test_three_dimensions_are_refused():
    with pytest.raises(ValueError, match=r'\(2, 3, 4\)'):
        d2l.to_onehot(nd.zeros((2, 3, 4)), 5)
