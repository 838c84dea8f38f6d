"""Perplexity on a text that the model was not trained on, and what is copied from the one that it was."""
import dataclasses
import re
import sys

import rnn_scratch as d2l
from rnn_scratch.__main__ import main
from rnn_scratch.beyond import evaluation, fused
from rnn_scratch.beyond.checkpoint import load_checkpoint, save_checkpoint
from rnn_scratch.beyond.evaluation import NUM_STEPS, copied, evaluate, unigram_perplexity

import mxnet as mx
import numpy as np
import pytest

CHARACTERS = list(' 分开不在雨')


def model(scale=100):
    mx.random.seed(1)
    params = d2l.get_params(6, 5, 6, mx.cpu())
    for param in params:
        param *= scale
    return d2l.rnn, params, d2l.init_rnn_state, 5, 6, mx.cpu(), CHARACTERS, {c: i for i, c in enumerate(CHARACTERS)}


def by_hand(text, params):
    """The mean cross-entropy in NumPy and 64-bit floats, one character after the other."""
    W_xh, W_hh, b_h, W_hq, b_q = (param.asnumpy().astype('float64') for param in params)
    indices = [CHARACTERS.index(char) for char in text]
    H, losses = np.zeros(5), []
    for x, y in zip(indices, indices[1:]):
        H = np.tanh(W_xh[x] + H @ W_hh + b_h)
        Y = H @ W_hq + b_q
        losses.append(np.log(np.exp(Y).sum()) - Y[y])
    return np.exp(np.mean(losses))


@pytest.mark.parametrize('losses', [evaluation.losses, fused.losses], ids=['tutorial', 'fused'])
@pytest.mark.parametrize('length', [2, 3, NUM_STEPS, NUM_STEPS + 1, NUM_STEPS + 2, 2 * NUM_STEPS + 7])
def test_against_numpy(losses, length):
    text = ''.join(np.random.RandomState(length).choice(CHARACTERS, size=length))
    arguments = model()
    found = evaluate(text, *arguments, losses=losses)
    assert found.perplexity == pytest.approx(by_hand(text, arguments[1]), rel=1e-5)
    assert (found.num_predicted, found.unknown) == (length - 1, {})


def test_unknown_characters_are_counted():
    arguments = model()
    found = evaluate('分龘开不龘靐在', *arguments)
    assert found.unknown == {'龘': 2, '靐': 1}
    assert found == (evaluate('分开不在', *arguments).perplexity, 3, found.unknown)
    assert repr(found).endswith('over 3 characters, 3 more unknown)')


def test_a_model_that_knows_nothing_has_the_perplexity_of_the_vocabulary():
    assert evaluate('分开不在雨', *model(scale=0)).perplexity == pytest.approx(6, rel=1e-5)


@pytest.mark.parametrize('text', ['', '分', '龘分龘'])
def test_too_short_a_text_is_refused(text):
    with pytest.raises(ValueError, match='at least two'):
        evaluate(text, *model())


def test_unigram_perplexity():
    """Probabilities 1/2, 1/4, 1/4: entropy 1.5 bits."""
    assert unigram_perplexity([0, 0, 1, 2]) == pytest.approx(2 ** 1.5)


def test_unigram_perplexity_of_another_text():
    """Probabilities 1/2, 1/4, 1/4; the text has one of each: the geometric mean is 2^(-5/3)."""
    assert unigram_perplexity([0, 0, 1, 2], [2, 1, 0]) == pytest.approx(2 ** (5 / 3))


def by_brute_force(text, corpus, n):
    """Every piece of the text, looked for in every place of the corpus."""
    pieces = {(i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1)
              if any(corpus[k:k + j - i] == text[i:j] for k in range(len(corpus)))}
    longest = max(j - i for i, j in pieces)
    runs = [(i, j) for i, j in sorted(pieces) if j - i >= n and not {(i - 1, j), (i, j + 1)} & pieces]
    return longest, sum(j - i == n for i, j in pieces) / (len(text) - n + 1), runs


@pytest.mark.parametrize('seed', range(40))
def test_what_is_copied(seed):
    """Texts of three characters, in which much is copied, and of some that the corpus does not have."""
    rng = np.random.RandomState(seed)
    corpus = ''.join(rng.choice(list('风吹雨'), size=30))
    text = ''.join(rng.choice(list('风吹雨打'[:3 + seed % 2]), size=25))
    n = 1 + seed % 5
    found = copied(text, corpus, n)
    longest, share, runs = by_brute_force(text, corpus, n)
    assert (len(found.longest), found.share, found.runs) == (longest, pytest.approx(share), runs)
    assert corpus[found.position:found.position + longest] == found.longest and found.longest in text


def test_copied_by_hand():
    corpus = '一二三四五六七八九十'
    nothing = copied('十九八七六五', corpus)            # backwards: no two characters in a row are in the corpus
    assert nothing == ('十', 9, 0, [], 5)
    everything = copied('三四五六七八', corpus)
    assert everything == ('三四五六七八', 2, 1, [(0, 6)], 5)
    part = copied('零二三四五六零一二三四零', corpus)   # 12 characters, 8 pieces of 5, of which 二三四五六 is one
    assert part == ('二三四五六', 1, 1 / 8, [(1, 6)], 5)
    assert repr(part) == ("12% of its 5-grams are copied; the longest copied run, 5 characters, begins at index 1 of "
                          "the corpus: '二三四五六'")
    assert copied('龘龘龘龘龘', corpus) == ('', 0, 0, [], 5)


def test_copied_refuses_what_has_no_n_grams():
    with pytest.raises(ValueError, match='has 2 characters, and runs of 5'):
        copied('分开', '分开不分开')
    with pytest.raises(ValueError, match='n must be a whole number, 1 or more, not 0'):
        copied('分开', '分开不分开', n=0)


LYRICS = '风吹雨打风不怕 雨打风吹也不停 ' * 20


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The path of a model that knows some of its text by heart, and the text, without the last tenth, held out."""
    folder = tmp_path_factory.mktemp('copied')
    (folder / 'song.txt').write_text(LYRICS.replace(' ', '\n'), 'utf-8')
    main(['train', '--corpus', str(folder / 'song.txt'), '--hidden', '16', '--batch-size', '4', '--num-steps', '10',
          '--epochs', '12', '--sampling', 'random', '--prefix', '风', '--holdout', '0.1', '--out', str(folder)])
    return folder / 'random.safetensors', LYRICS[:288]


def test_a_song_and_what_of_it_is_copied(program, trained, monkeypatch):
    path, corpus = trained
    write = ['write', path, '--prefix', '停吹不风', '--num-chars', 60, '--temperature', 0]
    song = load_checkpoint(path).predict('停吹不风', 60)
    found = copied(song, corpus)
    assert 0 < found.share < 1 and len(found.longest) > 5, 'there is something to see'
    plain = song.replace(' ', '\n') + f'\n{found}\n'
    assert program(*write, '--copied').stdout == plain
    assert program(*write).stdout == plain[:-len(f'{found}\n')]
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    received, position, red, is_red = program(*write, '--copied').stdout, 0, set(), False
    for piece in re.split('(\033\\[[0-9]+m)', received):
        if piece.startswith('\033'):
            is_red = piece == '\033[31m'
        else:
            red |= set(range(position, position + len(piece))) if is_red else set()
            position += len(piece)
    assert red == {i for start, end in found.runs for i in range(start, end)}
    assert re.sub('\033\\[[0-9]+m', '', received) == plain


def test_what_is_copied_at_two_temperatures_and_for_each_prefix(program, trained):
    path, corpus = trained
    model = load_checkpoint(path)
    song = copied(model.predict('风', 20), corpus)
    lines = program('write', path, '--prefix', '风', '--num-chars', 20, '--temperature', 0, 5, '--seed', 1,
                    '--copied').stdout.splitlines()
    assert lines[-2] == f'temperature 0: {song}' and lines[-1].startswith('temperature 5: ')
    printed = program('write', path, '--num-chars', 20, '--temperature', 0, '--copied', '--interactive',
                      input='风\n雨\n').stdout
    assert str(song) in printed and str(copied(model.predict('雨', 20), corpus)) in printed


@pytest.mark.parametrize('lyrics, settings, message', [
    (None, {}, 'song.txt, is not there any more: name it with --corpus'),
    (LYRICS + '风', {}, 'The model was trained on another text than .*song.txt'),
    (LYRICS, {}, 'The text has 4 characters, and runs of 5 are looked for'),
    (LYRICS, None, 'does not say which text it was trained on: leave --copied out'),
], ids=['gone', 'changed', 'short', 'not from a run'])
def test_where_nothing_can_be_looked_for_one_sentence_says_so(program, tmp_path, trained, lyrics, settings, message):
    model, song = load_checkpoint(trained[0]), tmp_path / 'song.txt'
    settings = {} if settings is None else {**model.settings, 'corpus': str(song)}
    save_checkpoint(tmp_path / 'here.safetensors', dataclasses.replace(model, settings=settings))
    if lyrics:
        song.write_text(lyrics, 'utf-8')
    result = program('write', 'here.safetensors', '--prefix', '风', '--num-chars', 3, '--copied')
    _, sentence = result.stderr.splitlines()        # the first says which model it is
    assert result.returncode == 1 and result.stdout == '' and re.search(message, sentence)
