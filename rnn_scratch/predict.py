"""(四) 定义预测函数: read a prefix, then write one character after another."""
from mxnet import nd

from .onehot import to_onehot


def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx):
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

    Returns
    -------
    str
        The prefix and num_chars characters more.

    Raises
    ------
    ValueError
        The prefix is empty or has a character that is not in the vocabulary; or num_chars is negative.
    """
    check_prefix(prefix, char_to_idx)
    if num_chars < 0:
        raise ValueError(f'num_chars, the number of characters to write, must be 0 or more, not {num_chars}.')
    state = init_rnn_state(1, num_hiddens, ctx)
    output = [char_to_idx[char] for char in prefix]             # given
    for t in range(len(prefix) + num_chars - 1):
        X = nd.array([[output[t]]], ctx=ctx)                    # (1, 1): one sequence, one time step
        (Y,), state = rnn(to_onehot(X, vocab_size), state, params)      # Y (1, q)
        if t + 1 == len(output):                                # nothing is given for the next step: predict it
            output.append(int(Y.argmax(axis=1).asscalar()))
    return ''.join(idx_to_char[i] for i in output)


def check_prefix(prefix, char_to_idx):
    """Name the character that the vocabulary lacks, rather than fail on it in the middle of a run."""
    if not prefix:
        raise ValueError('The prefix is empty: give at least one character to begin with.')
    for char in prefix:
        if char not in char_to_idx:
            raise ValueError(f'The character {char!r} of the prefix {prefix!r} is not among the {len(char_to_idx)} of '
                             'the vocabulary: choose another prefix, or read more of the corpus (num_chars).')
