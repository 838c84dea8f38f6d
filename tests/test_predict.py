"""(四) 定义预测函数."""
import rnn_scratch as d2l

import d2lzh
import mxnet as mx
import pytest


def model(corpus, seed=0, scale=30):
    """A model with random parameters, large enough that it writes something other than one character."""
    _, char_to_idx, idx_to_char, vocab_size = corpus
    mx.random.seed(seed)
    params = d2l.get_params(vocab_size, 64, vocab_size, mx.cpu())
    for param in params:
        param *= scale
    return d2l.rnn, params, d2l.init_rnn_state, 64, vocab_size, mx.cpu(), idx_to_char, char_to_idx


@pytest.mark.parametrize('prefix', ['分开', '不分开', '雨'])
@pytest.mark.parametrize('num_chars', [0, 1, 50])
def test_the_text_that_d2lzh_writes(corpus, prefix, num_chars):
    arguments = model(corpus)
    text = d2l.predict_rnn(prefix, num_chars, *arguments)
    assert text == d2lzh.predict_rnn(prefix, num_chars, *arguments)
    assert text.startswith(prefix) and len(text) == len(prefix) + num_chars
    assert num_chars < 50 or len(set(text)) > 5, 'too dull a text to compare'


def test_a_character_outside_the_vocabulary_is_named(corpus):
    with pytest.raises(ValueError, match="'龘' of the prefix '分龘'.*1027"):
        d2l.predict_rnn('分龘', 5, *model(corpus))


def test_an_empty_prefix_is_refused(corpus):
    with pytest.raises(ValueError, match='empty'):
        d2l.predict_rnn('', 5, *model(corpus))


def test_a_negative_length_is_refused(corpus):
    with pytest.raises(ValueError, match='-1'):
        d2l.predict_rnn('分开', -1, *model(corpus))
