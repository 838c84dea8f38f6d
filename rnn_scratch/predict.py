"""(四) 定义预测函数: read a prefix, then write one character after another."""
from mxnet import nd

from . import _checks, _own_cell
from .onehot import to_onehot


def greedy(Y):
    """The most probable next character: scores Y (1, q) -> index (1,)."""
    return Y.argmax(axis=1)


def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx,
                *, pick=greedy):
    """接着前缀往下写，每次取概率最大的字符（6.4.4 节）。

    Continue a prefix, always with the most probable next character (section 6.4.4). Here a model that has learnt
    nothing but that b is frequent:

    >>> import rnn_scratch as d2l
    >>> import mxnet as mx
    >>> params = [nd.ones((2, 1)), nd.ones((1, 1)), nd.zeros(1), nd.ones((1, 2)), nd.array([0, 1])]
    >>> predict_rnn('a', 3, d2l.rnn, params, d2l.init_rnn_state, 1, 2, mx.cpu(), ['a', 'b'], {'a': 0, 'b': 1})
    'abbb'

    Parameters
    ----------
    prefix, num_chars : str (or list of entries of the vocabulary, such as words), int
        The given beginning, of one known character or more; and how many characters to write after it.
    rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx
        The model: a function like `model.rnn`, its parameters, a function like `model.init_rnn_state`, and h; then the
        device, and the vocabulary, from `load_data_jay_lyrics`.
    pick : function, optional
        Another way to pick the next character: from scores, NDArray (1, q), to an index, NDArray (1,).

    Returns
    -------
    str
        The prefix and num_chars characters more.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        A wrong prefix or num_chars (0 to 100,000), model, vocabulary or returned value; or a state beyond all bounds.
    """
    _checks.whole(0, _checks.LONGEST_TEXT, num_chars=num_chars)
    _checks.model(params, vocab_size, ctx, idx_to_char, char_to_idx)
    _checks.prefixes([prefix], char_to_idx)
    state = init_rnn_state(1, num_hiddens, ctx)
    _own_cell.begin(rnn, state)
    indices = [char_to_idx[prefix[0]]]
    for t in range(1, len(prefix) + num_chars):
        # Input: the last character. Output: the scores of the next one.
        X = to_onehot(nd.array([indices[-1]], ctx=ctx), vocab_size)     # 1 × (1, d)
        returned = rnn(X, state, params)
        _own_cell.returned(returned, X, state)
        (Y,), state = returned                                          # Y (1, q)
        # Within the prefix the next character is given, after it the picked one is the next.
        index = char_to_idx[prefix[t]] if t < len(prefix) else pick(Y).asscalar()
        _checks.picked(index, vocab_size)
        indices.append(int(index))
    _checks.finite('The state, after too many characters (num_chars) for this model,', *[s.asnumpy() for s in state])
    return ''.join(idx_to_char[i] for i in indices)
