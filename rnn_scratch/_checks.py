"""What each function refuses, and in which words: one line at the call, so that the formulas stand alone.

Each check returns nothing, or raises an error of one sentence: what was wrong, the value or shape that was met, and
what to do.
"""
import math


def check_num_chars(num_chars):
    if num_chars is not None and (not isinstance(num_chars, int) or num_chars < 1):
        raise ValueError(f'num_chars must be a positive whole number, or None for the whole text, not {num_chars!r}.')


def check_is_file(path):
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'The corpus {path} {what}: give the path of a text file or a zip archive.')


def check_one_member(path, members):
    if len(members) != 1:
        raise ValueError(f'{path} holds {len(members)} files: a corpus archive must hold exactly one text.')


def check_utf8(path, content):
    try:
        content.decode('utf-8')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text in UTF-8 ({error.reason} at byte {error.start}): '
                         'it may be GBK; save it as UTF-8 and try again.') from error


def check_not_empty(path, corpus_chars):
    if not corpus_chars:
        raise ValueError(f'{path} is empty: a corpus needs at least one character.')


def check_indices(X):
    if X.ndim not in (1, 2):
        raise ValueError(f'to_onehot takes indices of shape (n, T), not {X.shape}.')


def check_sizes(num_inputs, num_hiddens, num_outputs):
    if min(num_inputs, num_hiddens, num_outputs) < 1:
        raise ValueError('The numbers of inputs, hidden units and outputs must be positive, '
                         f'not {num_inputs}, {num_hiddens} and {num_outputs}.')


def check_shapes(inputs, H, W_xh, W_hh):
    """Inputs (n, d), state (n, h), parameters (d, h) and (h, h)."""
    (n, d), (num_inputs, h) = inputs[0].shape, W_xh.shape
    if d != num_inputs:
        raise ValueError(f'Each input has shape ({n}, {d}) but W_xh has shape ({num_inputs}, {h}): make the vectors '
                         'with to_onehot(X, vocab_size) and the parameters with the same vocab_size.')
    check_state(H, n, W_hh)


def check_state(H, n, W_hh):
    """The state must be that of as many sequences as there are: (n, h)."""
    if H.shape != (n, W_hh.shape[0]):
        raise ValueError(f'The state has shape {H.shape} but ({n}, {W_hh.shape[0]}) is needed: '
                         f'make it with init_rnn_state({n}, {W_hh.shape[0]}, ctx).')


def check_cell(rnn, chapters):
    """The fused engine has its own formulas for the chapter's cell; any other would be trained as if it were that."""
    if rnn is not chapters:
        raise ValueError(f"The fused engine computes the chapter's cell, rnn_scratch.rnn, and not {rnn!r}: "
                         'take the functions of the same names from rnn_scratch, which compute any cell.')


def check_prefix(prefix, char_to_idx):
    """Name the character that the vocabulary lacks, rather than fail on it in the middle of a run."""
    if not prefix:
        raise ValueError('The prefix is empty: give at least one character to begin with.')
    for char in prefix:
        if char not in char_to_idx:
            raise ValueError(f'The character {char!r} of the prefix {prefix!r} is not among the {len(char_to_idx)} of '
                             'the vocabulary: choose another prefix, or read more of the corpus (num_chars).')


def check_prediction(prefix, num_chars, char_to_idx):
    check_prefix(prefix, char_to_idx)
    if num_chars < 0:
        raise ValueError(f'num_chars, the number of characters to write, must be 0 or more, not {num_chars}.')


def check_theta(theta):
    if theta is not None and not theta > 0:
        raise ValueError(f'theta, the largest norm of the gradient, must be above zero, or None, not {theta!r}.')


def check_norm(norm):
    if not math.isfinite(norm):
        raise FloatingPointError(f'The norm of the gradient is {norm}: the parameters have grown beyond all bounds; '
                                 'start again with a smaller learning rate (lr) or a smaller clipping_theta.')


def check_num_predictions(n):
    if n < 1:
        raise ValueError(f'Perplexity needs at least one prediction, not {n}.')


def check_training(vocab_size, corpus_indices, char_to_idx, is_random_iter, num_steps, clipping_theta, batch_size,
                   pred_period, pred_len, prefixes):
    """Refuse, before any work is done, the settings that would fail or do nothing later."""
    for name, value in [('num_steps', num_steps), ('batch_size', batch_size), ('pred_period', pred_period)]:
        if value < 1:
            raise ValueError(f'{name} must be 1 or more, not {value}.')
    if pred_len < 0:
        raise ValueError(f'pred_len must be 0 or more, not {pred_len}.')
    check_theta(clipping_theta)
    # Each label is the next character, hence the one more.
    needed = num_steps * batch_size + 1 if is_random_iter else (num_steps + 1) * batch_size
    if len(corpus_indices) < needed:
        raise ValueError(f'The corpus has {len(corpus_indices)} characters, but one mini-batch of {batch_size} '
                         f'sequences of {num_steps} steps needs {needed}: make batch_size or num_steps smaller.')
    for index in min(corpus_indices), max(corpus_indices):
        if not 0 <= index < vocab_size:
            raise ValueError(f'The corpus has the index {index}, but vocab_size is {vocab_size}: '
                             'take both from one call of load_data_jay_lyrics.')
    if isinstance(prefixes, str):
        raise ValueError(f'prefixes is a list of texts, not the text {prefixes!r}: put it in brackets.')
    for prefix in prefixes:
        check_prefix(prefix, char_to_idx)


def check_loss(l_sum):
    if math.isnan(l_sum):
        raise FloatingPointError('The loss is not a number: the parameters have grown beyond all bounds; start again '
                                 'with a smaller learning rate (lr), or with gradient clipping (clipping_theta).')
