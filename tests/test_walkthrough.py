"""The walk-through: one source, two languages, stored with the outputs of its own code; and it runs to its end."""
import copy
import json
import math
import re

import rnn_scratch as d2l

import build_pictures
import mxnet as mx
import nbformat
import numpy as np
import pytest
from build_walkthrough import PATHS, ROOT, SOURCE, code_cells, execute, fingerprint, notebook, pictures
from mxnet import autograd, nd

LANGUAGES = sorted(PATHS)


@pytest.fixture(scope='module')
def both():
    return {language: nbformat.read(path, 4) for language, path in PATHS.items()}


@pytest.fixture
def stored(both):
    return both['zh']


def texts(notebook):
    """The text of each cell between the code, without what stands in backticks or is a formula."""
    return [re.sub(r'`.*?`|\$\$.*?\$\$', '', cell.source, flags=re.DOTALL) for cell in notebook.cells
            if cell.cell_type == 'markdown']


def printed(cell):
    """The text that a cell printed, and that of its result; not its pictures."""
    return ''.join(output.text if output.output_type == 'stream' else output.data.get('text/plain', '') + '\n'
                   for output in cell.outputs)


@pytest.mark.parametrize('language', LANGUAGES)
def test_a_notebook_is_as_its_source_says(language, both):
    """But for the outputs, which are of this code and this corpus."""
    bare = copy.deepcopy(both[language])
    for cell in code_cells(bare):
        cell.outputs, cell.execution_count = [], None
    stored = bare.metadata.pop('fingerprint')
    expected = notebook(SOURCE.read_text('utf-8'), language)
    assert bare.cells == expected.cells and bare.metadata == expected.metadata, 'python tools/build_walkthrough.py'
    assert stored == fingerprint(expected)
    code_cells(expected)[-1].source += '\nprint(1)'
    assert stored != fingerprint(expected)


def test_both_languages_have_the_same_code_and_outputs(both):
    one, other = ([(cell.source, cell.outputs) for cell in code_cells(both[language])] for language in LANGUAGES)
    assert json.dumps(one) == json.dumps(other)
    assert len(both['zh'].cells) == len(both['en'].cells)
    assert [cell.metadata for cell in both['zh'].cells] == [cell.metadata for cell in both['en'].cells]


def test_every_cell_ran_once_and_none_failed_or_warned(stored):
    cells = code_cells(stored)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == 'error' or output.get('name') == 'stderr']


def test_what_the_reader_gets(stored):
    """Short cells, pictures, and a small file."""
    assert max(cell.source.count('\n') + 1 for cell in code_cells(stored)) <= 15
    kinds = [kind for cell in code_cells(stored) for output in cell.outputs for kind in output.get('data', {})]
    assert kinds.count('image/png') >= 9 and kinds.count('image/svg+xml') >= 9
    assert all(path.stat().st_size < 1_500_000 for path in PATHS.values())


def test_each_text_is_in_one_language(both):
    for chinese, english in zip(texts(both['zh']), texts(both['en'])):
        assert re.search('[\u4e00-\u9fff]', chinese)
        assert not re.search('(?:[A-Za-z]{2,} ){4}', chinese), chinese
        assert len(re.findall('[\u4e00-\u9fff]', english)) < 10 and re.search('[A-Za-z]{2,} [a-z]+', english), english


def test_the_chinese_has_one_word_for_a_thing_the_books(both):
    for text in texts(both['zh']):
        assert not re.search('时刻|编号|下标|书里|乱猜|[「」]|[(][一二三四五六七][)]|(?<!迭代)周期', text), text


@pytest.mark.parametrize('language', LANGUAGES)
def test_the_reader_guesses_before_clipping_detach_and_training(language, both):
    """A question is followed by what answers it, and a slide begins there."""
    cells = both[language].cells
    asked = [i for i, cell in enumerate(cells) if 'predict' in cell.metadata.get('tags', [])]
    after = [cells[i + 1].source for i in asked]
    beginnings = {'zh': ['## （五）', 'def gra', '## （七）'], 'en': ['## (五)', 'def gra', '## (七)']}[language]
    assert all(text.startswith(beginning) for text, beginning in zip(after, beginnings)) and len(after) == 3
    assert all(cells[i].metadata.slideshow.slide_type == 'subslide' for i in asked)
    kinds = [cell.metadata.slideshow.slide_type for cell in cells]
    assert set(kinds) == {'slide', 'subslide', 'fragment', 'skip', '-'} and kinds[0] == 'slide'


def test_the_pictures_of_the_documents_are_those_that_are_drawn(stored):
    for name, picture in pictures(stored).items():
        assert (ROOT / name).read_text('utf-8') == picture, 'python tools/build_walkthrough.py'
    shown = [output.data['image/svg+xml'] for cell in code_cells(stored) for output in cell.outputs
             if 'image/svg+xml' in output.get('data', {})]
    for name, draw in build_pictures.PICTURES.items():
        assert (ROOT / 'docs' / name).read_text('utf-8') == draw(), 'python tools/build_pictures.py'
        assert draw().strip() in [picture.strip() for picture in shown], 'the code of the walk-through has to run again'


def test_the_windows_of_the_drawing_are_those_of_d2lzh():
    """Worked out by hand: 30 numbers, windows of 6, two sequences; the last six, or three of each row, are left out."""
    white = {name: re.findall(r'fill="white" stroke="#888"/><text[^>]*>(\d+)<', part) for name, part in zip(
        ['random', 'consecutive'], build_pictures.sampling().split('相邻采样'))}
    assert white == {'random': list(map(str, range(24, 30))), 'consecutive': ['12', '13', '14', '27', '28', '29']}


def test_what_a_prediction_looked_at(both):
    """The cell's function, on a small model, against differences in 64 bits with NumPy."""
    cell = next(cell for cell in code_cells(both['zh']) if 'def looked_at' in cell.source)
    vocabulary, prefix, num_hiddens = 'abcd', 'abcad', 5
    mx.random.seed(3)
    params = [40 * param for param in d2l.get_params(4, num_hiddens, 4, mx.cpu())]
    names = {'d2l': d2l, 'nd': nd, 'np': np, 'math': math, 'autograd': autograd, 'ctx': mx.cpu(), 'vocab_size': 4,
             'num_hiddens': num_hiddens, 'idx_to_char': list(vocabulary),
             'char_to_idx': {'a': 0, 'b': 1, 'c': 2, 'd': 3}}
    exec(cell.source, names)
    following, p, weights = names['looked_at'](params, prefix)
    W_xh, W_hh, b_h, W_hq, b_q = (param.asnumpy().astype(float) for param in params)

    def log_p(X):
        H = np.zeros(num_hiddens)
        for x in X:
            H = np.tanh(x @ W_xh + H @ W_hh + b_h)
        Y = H @ W_hq + b_q
        return Y - np.log(np.exp(Y).sum())

    X = np.eye(4)[[vocabulary.index(char) for char in prefix]]
    best = log_p(X).argmax()
    assert following == vocabulary[best] and math.isclose(p, math.exp(log_p(X)[best]), rel_tol=1e-4)
    for t in range(len(prefix)):
        gradient = []
        for k in range(4):
            step = np.zeros((len(prefix), 4))
            step[t, k] = 1e-5
            gradient.append((log_p(X + step)[best] - log_p(X - step)[best]) / 2e-5)
        assert math.isclose(weights[t], np.linalg.norm(gradient), rel_tol=1e-3)


def check_what_the_text_says(notebook):
    """The text between the cells speaks of numbers that vary with the machine: they must bear it out."""
    everything = '\n'.join(map(printed, code_cells(notebook)))

    def numbers(pattern):
        return [float(number) for number in re.findall(pattern, everything)]

    (right,), (wrong,) = numbers(r'with .T: perplexity (.*?),'), numbers(r'without .T: perplexity (.*?),')
    assert right < 70 < numbers(r'unigram model: (\d+\.\d)')[-1] < wrong < 210
    assert re.search(r"without .*'分开 +'", everything)
    corpus_unigram, held_out_unigram = numbers(r'unigram model: +(\d+\.\d)')[0], numbers(r'on them: (\d+)')[0]
    assert 200 < held_out_unigram < corpus_unigram < 240
    # One unit marks the beginning of a line, at both epochs, on characters that it was not chosen by.
    assert all(abs(again) > 0.9 for again in numbers(r'on the next 300 characters (\S+);'))
    shares = numbers(r'epoch \d+: (\d+)% of the sum')
    assert len(shares) == 4 and min(shares[::2]) > 50 > max(shares[1::2])
    assert numbers(r'2000 steps, (\S+)% of them clipped') == [100, 100]
    # Random sampling, then consecutive sampling
    first, rest = numbers(r'places 1 to 1: perplexity (\S+)'), numbers(r'places 6 to 35: perplexity (\S+)')
    assert first[0] / rest[0] > 10 and 1 < first[1] / rest[1] < 5
    trained_on, held_out = numbers(r'trained on .* (\S+)\n'), numbers(r'held out  .* (\S+)   *\S+ at epoch')
    best, (unigram,) = numbers(r'(\S+) at epoch'), numbers(r'unigram model, held out: (\d+)')
    assert len(trained_on) == len(held_out) == len(best) == 2
    # "About as good as the unigram model": by a fifth better or worse, for the best epoch of a run moves with rounding.
    assert max(trained_on) < 5 and min(held_out) > 1027 and all(0.8 < p / unigram < 1.2 for p in best)
    # Two numbers for greedy, and for each of three temperatures: the longest piece, and the share in percent
    copied = [float(number.rstrip('%')) for number in re.findall(r'^  250(.*)$', everything, re.MULTILINE)[0].split()]
    (unseen,), (share,) = numbers(r'held-out text: +(\S+)'), numbers(r'held-out text: +\S+ +(\d+)%')
    assert copied[0] > unseen and copied[2] > unseen > copied[6]
    assert copied[1] > share and copied[3] > share >= copied[7]


def test_the_stored_numbers_bear_out_the_text(stored):
    check_what_the_text_says(stored)
    text, = [text for text in texts(stored) if '边更新边量' in text]
    everything = '\n'.join(map(printed, code_cells(stored)))
    random, consecutive = re.findall(r'epoch 250, perplexity (\S+),', everything)
    fixed = re.findall(r'places 1 to 35: perplexity (\S+)', everything)
    assert re.findall(r'\d\.\d\d', text.split('边更新边量')[1]) == [
        f'{float(consecutive):.2f}', fixed[1], f'{float(random):.2f}', fixed[0]]


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(stored):
    """In a process of its own; what does not vary with the machine is printed as it is stored."""
    fresh = execute(copy.deepcopy(stored))
    for cell, new in zip(code_cells(stored), code_cells(fresh)):
        if 'varies' not in cell.metadata.get('tags', []):
            assert printed(new) == printed(cell), cell.source
    check_what_the_text_says(fresh)
