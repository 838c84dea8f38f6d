"""(四) 定义预测函数: read a prefix, then write one character after another."""
from mxnet import nd

from .onehot import model_inputs


def greedy(Y):
    """The most probable next character: scores Y (1, q) -> index (1,)."""
    return Y.argmax(axis=1)


def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx,
                *, pick=greedy):
    """Continue a prefix, always with the most probable next character (section 6.4.4).

    Parameters
    ----------
    prefix : str
        The given beginning: at least one character, each one in the vocabulary.
    num_chars : int
        How many characters to write after it.
    rnn, params, init_rnn_state, num_hiddens
        The model: a function like `model.rnn`, its parameters, a function like `model.init_rnn_state`, and h.
    vocab_size, idx_to_char, char_to_idx
        The vocabulary, from `load_data_jay_lyrics`.
    ctx : mxnet.Context
        The device.
    pick : function, optional
        Another way to pick the next character: from scores, NDArray (1, q), to an index, NDArray (1,).

    Returns
    -------
    str
        The prefix and num_chars characters more.

    Raises
    ------
    ValueError
        The prefix is empty or has a character that is not in the vocabulary; or num_chars is negative.
    """
    steps = predict_steps(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, char_to_idx,
                          pick)
    # MXNet computes while Python goes on: ask for all steps first, and only then wait for their numbers.
    return ''.join(idx_to_char[int(X.asscalar())] for X in list(steps))


def predict_steps(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, char_to_idx, pick):
    """The loop of `predict_rnn`: gives one index, (1,), after the other; those of the prefix, then the picked ones."""
    check_prefix(prefix, char_to_idx)
    if num_chars < 0:
        raise ValueError(f'num_chars, the number of characters to write, must be 0 or more, not {num_chars}.')
    if hasattr(rnn, 'one_step'):        # fused.rnn brings a faster way to read one character at a time
        step = rnn.one_step(params)
    else:
        def step(X, state):
            (Y,), state = rnn(model_inputs(rnn, X, vocab_size), state, params)      # Y (1, q)
            return Y, state
    state = init_rnn_state(1, num_hiddens, ctx)
    X = nd.array([char_to_idx[prefix[0]]], ctx=ctx)
    yield X
    for t in range(1, len(prefix) + num_chars):
        Y, state = step(X, state)
        X = nd.array([char_to_idx[prefix[t]]], ctx=ctx) if t < len(prefix) else pick(Y)
        yield X


def check_prefix(prefix, char_to_idx):
    """Name the character that the vocabulary lacks, rather than fail on it in the middle of a run."""
    if not prefix:
        raise ValueError('The prefix is empty: give at least one character to begin with.')
    for char in prefix:
        if char not in char_to_idx:
            raise ValueError(f'The character {char!r} of the prefix {prefix!r} is not among the {len(char_to_idx)} of '
                             'the vocabulary: choose another prefix, or read more of the corpus (num_chars).')
