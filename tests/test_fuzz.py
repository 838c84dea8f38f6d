"""Whatever comes in: it works and agrees with an oracle, or the package says in its own words why not.

hypothesis makes up sizes, texts, settings and files, the same ones in each run. The oracles are d2lzh, the tutorial
engine, Python and NumPy.
"""
import contextlib
import io
import json
import math
import os
import random
import re
import tempfile
import zipfile
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.beyond import checkpoint as module
from rnn_scratch.beyond import fused
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rnn_scratch.beyond.sampling import sampler

import d2lzh
import mxnet as mx
import numpy as np
import pytest
import safetensors.numpy
from conftest import is_ours
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mxnet import nd

CTX = mx.cpu()
KINDS = (ValueError, TypeError, OSError, FloatingPointError)    # what the package raises


def fuzz(number):
    """So many cases, the same in each run."""
    return settings(max_examples=number, derandomize=True, database=None, deadline=None)


def attempt(function, *arguments, **keywords):
    """What a call gives; or None and the message, which must be one of the package's own, in one line."""
    try:
        return function(*arguments, **keywords), None
    except Exception as error:
        message = str(error)
        assert isinstance(error, KINDS) and is_ours(error), repr(error)
        assert '\n' not in message and 'Check failed' not in message and message.endswith('.') and len(message) < 1000
        return None, message


@pytest.fixture(scope='module')
def folder():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


# Texts of any characters, and texts of few, in which something repeats.
TEXTS = st.one_of(st.text(), st.text('分开不 雨ab\n\r\u0301\U0001f600', max_size=60))


# Files

def corpus_of(text):
    """What `load_data_jay_lyrics` must give, in plain Python."""
    chars = text.replace('\n', ' ').replace('\r', ' ')
    vocabulary = sorted(set(chars))
    return ([vocabulary.index(char) for char in chars], {char: i for i, char in enumerate(vocabulary)}, vocabulary,
            len(vocabulary))


def may_be_refused(text):
    """What a text has that a corpus must not have."""
    return (len(text) < 2 or not text.strip() or '\0' in text or text.strip()[:1] == '<' or '404' in text
            or text.startswith(('PK', 'BZh', '%PDF', '{\\rtf', 'GIF8', '\x7fELF')))


@fuzz(200)
@given(text=TEXTS, mark=st.booleans(), num_chars=st.one_of(st.none(), st.integers(1, 30)))
@example('e\u0301\u0301 \u200d\U0001f468\U0001f3fd', False, None)
@example('分\r\n开\r', True, None)
def test_any_text_is_read_as_it_is(folder, text, mark, num_chars):
    (folder / 'text').write_bytes(('\ufeff' * mark + text).encode())
    corpus, message = attempt(d2l.load_data_jay_lyrics, folder / 'text', num_chars)
    if message:
        assert may_be_refused(text) and str(folder / 'text') in message
    else:
        if text.startswith('\ufeff') and not mark:
            text = text[1:]         # a mark, after all
        assert corpus == corpus_of(text[:num_chars])


@fuzz(100)
@given(text=TEXTS, encoding=st.sampled_from(['gbk', 'gb18030', 'big5', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32',
                                             'latin-1', 'utf-8']))
def test_a_text_in_another_encoding_is_refused_or_the_same(folder, text, encoding):
    """The bytes of a text in another encoding may be a text in UTF-8, too: then that is what is read."""
    (folder / 'text').write_bytes(text.encode(encoding, 'surrogatepass' if encoding.startswith('utf') else 'ignore'))
    corpus, message = attempt(d2l.load_data_jay_lyrics, folder / 'text', None)
    assert message or corpus == corpus_of((folder / 'text').read_bytes().decode('utf-8-sig'))


STARTS = [b'', b'PK\x03\x04', b'PK\x05\x06', b'\x1f\x8b', b'\xff\xfe', b'\xef\xbb\xbf', b'<html>', b'{"']


@fuzz(200)
@given(start=st.sampled_from(STARTS), content=st.binary(max_size=300))
def test_any_bytes_are_read_as_utf_8_or_refused(folder, start, content):
    (folder / 'bytes').write_bytes(start + content)
    corpus, message = attempt(d2l.load_data_jay_lyrics, folder / 'bytes', None)
    assert message or corpus == corpus_of((start + content).decode('utf-8-sig'))


@st.composite
def changes(draw):
    """What happens to a file: at a place, so many bytes are lost, and others stand there instead."""
    return draw(st.floats(0, 1)), draw(st.integers(0, 9)), draw(st.binary(max_size=9))


def changed(content, change):
    part, lost, instead = change
    place = int(part * len(content))
    return content[:place] + instead + content[place + lost:]


def archive(text, method):
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w', method) as zipped:
        zipped.writestr('songs.txt', text)
    return content.getvalue()


SONG = '分开 不分开\n雨下了一夜\n' * 9
ARCHIVES = [archive(SONG, method) for method in [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                                                 zipfile.ZIP_LZMA]]


@fuzz(500)
@given(content=st.sampled_from(ARCHIVES), change=changes())
def test_a_changed_archive_is_read_as_it_was_or_refused(folder, content, change):
    """The checksum in it sees to that."""
    (folder / 'songs.zip').write_bytes(changed(content, change))
    corpus, message = attempt(d2l.load_data_jay_lyrics, folder / 'songs.zip', None)
    assert message or corpus == corpus_of(SONG)


class Saved:
    """A checkpoint, the bytes of its file, its arrays and its entries."""

    def __init__(self, path):
        mx.random.seed(0)
        random.seed(0)
        self.checkpoint = Checkpoint(
            d2l.get_params(4, 3, 4, CTX), [9.5, math.inf], [' ', '"', '分', '开'], 3, engine='fused',
            settings={'lr': 100.0, 'theta': None}, held_out=[12.5], random_state=random.getstate())
        save_checkpoint(path, self.checkpoint)
        self.content = path.read_bytes()
        with safetensors.safe_open(path, 'numpy') as file:
            self.arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
            self.entries = json.loads(file.metadata()['rnn_scratch'])


@pytest.fixture(scope='module')
def saved(folder):
    return Saved(folder / 'saved.safetensors')


def parts(checkpoint):
    """All of a checkpoint in a form that can be compared."""
    return [*(value for name, value in vars(checkpoint).items() if name not in ('params', 'versions')),
            [(param.shape, param.dtype, param.asnumpy().tobytes()) for param in checkpoint.params]]


@fuzz(500)
@given(change=changes())
def test_a_changed_checkpoint_is_loaded_as_it_was_or_refused(folder, saved, change):
    path = folder / 'changed.safetensors'
    path.write_bytes(changed(saved.content, change))
    loaded, message = attempt(load_checkpoint, path)
    assert message and str(path) in message or parts(loaded) == parts(saved.checkpoint)


@fuzz(100)
@given(start=st.sampled_from([b'', b'\x80\x04', b'PK\x03\x04', b'\x02\0\0\0\0\0\0\0{}', b'\x10\0\0\0\0\0\0\0{"']),
       content=st.binary(max_size=100))
def test_any_bytes_are_no_checkpoint(folder, start, content):
    (folder / 'bytes.safetensors').write_bytes(start + content)
    _, message = attempt(load_checkpoint, folder / 'bytes.safetensors')
    assert 'bytes.safetensors' in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9)
    | st.sampled_from([10 ** 400, '\ud800', 'inf', 'nan', 'random', 'lstm', 1, 2.5]),
    lambda values: st.lists(values, max_size=5) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=9)


@fuzz(400)
@given(data=st.data(), value=JSON)
def test_any_entry_of_a_checkpoint_is_refused_or_can_be_lived_with(folder, saved, data, value):
    """With a checksum that fits. What is loaded can be shown, can write, and comes back the same when it is saved."""
    arrays, entries = saved.arrays, saved.entries
    name = data.draw(st.sampled_from(sorted(set(entries) - {'sha256'})))
    if data.draw(st.booleans()) and isinstance(entries[name], list) and entries[name]:
        value = [*entries[name][1:], value]
    elif data.draw(st.booleans()) and isinstance(entries[name], dict):
        value = {**entries[name], data.draw(st.sampled_from(['lr', 'sampling', 'corpus_sha256', 'x'])): value}
    entries = {**entries, name: value}
    entries.pop('sha256')
    with contextlib.suppress(Exception):        # of NaN, and without symbols, there is no checksum
        entries['sha256'] = module.checksum(entries, arrays)
    path = folder / 'entries.safetensors'
    text = json.dumps(entries)
    assume(len(text) < 10 ** 6)
    safetensors.numpy.save_file(arrays, path, {'rnn_scratch': text})
    loaded, message = attempt(load_checkpoint, path)
    if message is None:
        assert len(repr(loaded)) < 1000
        attempt(loaded.predict, '分开', 3)
        again = folder / 'again.safetensors'
        save_checkpoint(again, loaded)
        assert parts(load_checkpoint(again)) == parts(loaded)


# Functions

@fuzz(100)
@given(n=st.integers(1, 5), T=st.integers(1, 6), size=st.integers(1, 30), seed=st.integers(0, 999))
def test_one_hot_vectors_are_rows_of_the_identity(n, T, size, seed):
    X = np.random.RandomState(seed).randint(size, size=(n, T))
    ours, theirs = d2l.to_onehot(nd.array(X), size), d2lzh.to_onehot(nd.array(X), size)
    assert len(ours) == len(theirs) == T
    for t in range(T):
        np.testing.assert_array_equal(ours[t].asnumpy(), np.eye(size)[X[:, t]])
        np.testing.assert_array_equal(ours[t].asnumpy(), theirs[t].asnumpy())


@fuzz(200)
@given(l_sum=st.floats(0, 1e5), n=st.integers(-2, 10 ** 6))
def test_perplexity_is_the_exponential_of_the_mean(l_sum, n):
    found, message = attempt(d2l.perplexity, l_sum, n)
    assert message if n < 1 else found == (math.exp(l_sum / n) if l_sum / n < 709 else math.inf) or l_sum / n >= 709


@st.composite
def models(draw):
    """A vocabulary of any characters, and the arguments of `predict_rnn` after num_chars."""
    vocabulary = sorted(draw(st.sets(st.characters(), min_size=1, max_size=9)))
    h, V = draw(st.integers(1, 9)), len(vocabulary)
    mx.random.seed(draw(st.integers(0, 99)))
    params = [30 * param for param in d2l.get_params(V, h, V, CTX)]
    return (d2l.rnn, params, d2l.init_rnn_state, h, V, CTX, vocabulary, {char: i for i, char in enumerate(vocabulary)})


@fuzz(60)
@given(model=models(), data=st.data(), num_chars=st.integers(-1, 6))
def test_any_prefix_is_continued_as_by_d2lzh_or_refused(model, data, num_chars):
    vocabulary = model[6]
    prefix = data.draw(st.text(st.sampled_from(vocabulary), max_size=5))
    prefix += data.draw(st.sampled_from(['', '', '', '分']))
    ours, message = attempt(d2l.predict_rnn, prefix, num_chars, *model)
    fast, fast_message = attempt(fused.predict_rnn, prefix, num_chars, *model)
    assert (fast, fast_message) == (ours, message)
    if message:
        assert not prefix or not set(prefix) <= set(vocabulary) or num_chars < 0
    else:
        assert ours == d2lzh.predict_rnn(prefix, num_chars, *model) and len(ours) == len(prefix) + num_chars


def printed_perplexities(function, *arguments):
    random.seed(0)
    mx.random.seed(0)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        function(*arguments)
    return [float(number) for number in re.findall(r'perplexity (\S+),', printed.getvalue())]


# What makes a call of `train_and_predict_rnn` senseless, one at a time; most calls keep their sense.
SPOILT = [('num_steps', 0), ('num_steps', 99), ('batch_size', 0), ('batch_size', -1), ('theta', 0.0),
          ('pred_period', 0), ('pred_len', -1), ('prefix', ''), ('prefix', '雨'), ('prefix', '分\ud800')]


@pytest.mark.slow
@fuzz(30)
@given(text=st.text(st.sampled_from('开不 e\u0301\U0001f600'), min_size=19, max_size=80), h=st.integers(1, 6),
       is_random_iter=st.booleans(), lr=st.floats(1e-3, 1), theta=st.one_of(st.none(), st.floats(1e-3, 1)),
       sizes=st.fixed_dictionaries({'num_steps': st.integers(1, 4), 'batch_size': st.integers(1, 4),
                                    'pred_period': st.integers(1, 2), 'pred_len': st.integers(0, 3)}),
       spoilt=st.one_of(st.just(()), st.sampled_from(SPOILT)))
def test_any_settings_train_as_with_d2lzh_or_are_refused(text, h, is_random_iter, lr, theta, sizes, spoilt):
    """Two epochs, by d2lzh, the tutorial engine and the fused one."""
    settings = {'theta': theta, 'prefix': '分', **sizes, **dict([spoilt] if spoilt else [])}
    corpus_indices, char_to_idx, vocabulary, V = corpus_of('分' + text)
    arguments = (
        d2l.rnn, lambda: d2l.get_params(V, h, V, CTX), d2l.init_rnn_state, h, V, CTX, corpus_indices, vocabulary,
        char_to_idx, is_random_iter, 2, settings['num_steps'], lr, settings['theta'], settings['batch_size'],
        settings['pred_period'], settings['pred_len'], [settings['prefix']])
    ours, message = attempt(printed_perplexities, d2l.train_and_predict_rnn, *arguments)
    fast, fast_message = attempt(printed_perplexities, fused.train_and_predict_rnn, *arguments)
    assert fast_message == message and bool(message) == bool(spoilt)
    if not message:
        theirs = printed_perplexities(d2lzh.train_and_predict_rnn, *arguments)
        assert len(theirs) == 2 // settings['pred_period']
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
        np.testing.assert_allclose(fast, theirs, rtol=1e-4)


@fuzz(200)
@given(temperature=st.floats(), top_k=st.one_of(st.none(), st.integers(-2, 9)), top_p=st.one_of(st.none(), st.floats()),
       seed=st.integers(0, 99), scores=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=6))
def test_a_sampler_picks_what_may_be_picked_or_is_refused(temperature, top_k, top_p, seed, scores):
    pick, message = attempt(sampler, temperature, top_k, top_p, seed)
    is_sound = 0 < temperature < math.inf and (top_k is None or top_k >= 1) and (top_p is None or 0 < top_p <= 1)
    assert (message is None) == is_sound
    if is_sound:
        with np.errstate(all='ignore'):         # scores divided by next to nothing
            index = int(pick(nd.array([scores])).asscalar())
        better = sum(score > scores[index] for score in scores)
        assert 0 <= index < len(scores) and (top_k is None or better < top_k)


@fuzz(100)
@given(path=st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_any_path_that_is_no_file_is_named(folder, path):
    """Under a folder that has no files."""
    path = folder / 'none' / (os.fsdecode(path) if isinstance(path, bytes) else path).lstrip('/')
    for read, kinds in [(d2l.load_data_jay_lyrics, OSError), (load_checkpoint, OSError)]:
        with pytest.raises(kinds):
            read(path)
        assert attempt(read, path)[1]
