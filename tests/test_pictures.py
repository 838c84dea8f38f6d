"""The two pictures: what is drawn, against the numbers that it shows; and the programs, run as a reader runs them."""
import itertools
import math
import os
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.checkpoint import Checkpoint, save_checkpoint

import numpy as np
import plot_hidden_units
import plot_training
import pytest
from conftest import ROOT
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from mxnet import nd

TRAINING = ROOT / 'examples/plot_training.py'
HIDDEN = ROOT / 'examples/plot_hidden_units.py'
NO_CHARACTER = plot_hidden_units.NO_CHARACTER


def checkpoint(idx_to_char='abcdef ', h=9, perplexities=(7.5, 4.25, 1.125), held_out=(), engine='tutorial', **settings):
    """A model with large random weights, so that its hidden units move."""
    random, q = np.random.RandomState(0), len(idx_to_char)
    params = [nd.array(random.normal(size=shape)) for shape in [(q, h), (h, h), (h,), (h, q), (q,)]]
    return Checkpoint(params, list(perplexities), list(idx_to_char), h, engine, settings, list(held_out))


def lines(fig):
    axes, = fig.axes
    return {line.get_label(): line for line in axes.get_lines()}


def assert_is_picture(path, height, width):
    pixels = image.imread(path, format='png')
    assert pixels.shape[0] >= height and pixels.shape[1] >= width
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 10, 'there is something on it'


def test_a_line_for_each_run():
    runs = [('a', checkpoint(sampling='random', held_out=[6.5, 5.5, 5.75])), ('b', checkpoint(sampling='consecutive')),
            ('gru', checkpoint(perplexities=[6, 5]))]
    drawn = lines(plot_training.figure(runs))
    assert list(drawn) == ['uniform guess', 'random sampling', 'random sampling, held out', 'consecutive sampling',
                           'gru']
    assert drawn['random sampling'].get_xydata().tolist() == [[1, 7.5], [2, 4.25], [3, 1.125]]
    assert drawn['random sampling, held out'].get_xydata().tolist() == [[1, 6.5], [2, 5.5], [3, 5.75]]
    assert drawn['gru'].get_xydata().tolist() == [[1, 6], [2, 5]]
    assert [drawn[label].get_linestyle() for label in drawn] == [':', '-', '--', '-', '-']
    colours = [drawn[label].get_color() for label in drawn]
    assert colours[1] == colours[2] and len(set(colours)) == 4


def test_runs_of_one_sampling_are_told_apart():
    runs = [(name, checkpoint(sampling='random')) for name in ['a', 'b']]
    assert list(lines(plot_training.figure(runs)))[1:] == ['random sampling, a', 'random sampling, b']


def test_the_baselines():
    runs = [('a', checkpoint(unigram_perplexity=5.5)), ('b', checkpoint(unigram_perplexity=5.5))]
    drawn = lines(plot_training.figure(runs))
    assert list(drawn) == ['uniform guess', 'unigram', 'a', 'b'], 'each baseline once'
    assert list(drawn['uniform guess'].get_ydata()) == [7, 7]
    assert list(drawn['unigram'].get_ydata()) == [5.5, 5.5]


def test_the_perplexity_axis():
    vocabulary = [chr(ord('一') + i) for i in range(1027)]
    axes, = plot_training.figure([('a', checkpoint(vocabulary, 2, [1400, 20, 1.2], [300, 200, 400]))]).axes
    assert axes.get_yscale() == 'log'
    low, high = axes.get_ylim()
    assert low == 1 and 1400 < high < 2000
    ticks = [label.get_text() for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high]
    assert ticks == ['1', '2', '5', '10', '20', '50', '100', '200', '500', '1000']


@pytest.mark.parametrize('perplexities', [[math.inf, 1e9, 3.0], [math.inf], [7.0], []], ids=str)
def test_odd_runs_have_a_picture(perplexities, tmp_path):
    fig = plot_training.figure([('a', checkpoint(perplexities=perplexities))])
    plot_training.save(fig, tmp_path / 'a.png')
    axes, = fig.axes
    assert np.isfinite(axes.get_ylim()).all() and axes.get_ylim()[1] >= 7
    assert len([y for y in axes.get_yticks() if 1 <= y <= axes.get_ylim()[1]]) >= 3
    assert_is_picture(tmp_path / 'a.png', 300, 600)


def test_no_label_lies_on_another():
    runs = [(f'run {i}', checkpoint(perplexities=[6, 1 + i / 100], held_out=[6, 6.9])) for i in range(11)]
    fig = plot_training.figure(runs)
    FigureCanvasAgg(fig).draw()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    assert len(boxes) == 23
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(0 <= text.get_position()[1] <= 1 for text in fig.axes[0].texts), 'beside the axes'
    assert all(fig.bbox.containsx(box.x1) and fig.bbox.containsy(box.y0) for box in boxes), 'nothing is cut off'


def test_a_label_stands_at_the_end_of_its_line():
    fig = plot_training.figure([('a', checkpoint(perplexities=[6, 2]))])
    FigureCanvasAgg(fig).draw()
    for text in fig.axes[0].texts:
        label, perplexity = text.get_text().split(': ')
        y = lines(fig)[label].get_ydata()[-1]
        assert float(perplexity) == y
        _, pixel = fig.axes[0].transData.transform((0, y))
        assert text.get_window_extent().y0 < pixel < text.get_window_extent().y1


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    class Full:
        def savefig(self, path, format):
            Path(path).write_bytes(b'half')
            raise OSError('the disk is full')

    (tmp_path / 'a.png').write_bytes(b'the old one')
    with pytest.raises(OSError, match='full'):
        plot_training.save(Full(), tmp_path / 'a.png')
    assert [file.name for file in tmp_path.iterdir()] == ['a.png']
    assert (tmp_path / 'a.png').read_bytes() == b'the old one'


@pytest.mark.parametrize('engine', ['tutorial', 'fused'])
def test_the_hidden_states(engine):
    model, text = checkpoint(engine=engine), 'fade a bee'
    W_xh, W_hh, b_h = (param.asnumpy() for param in model.params[:3])
    H, expected = np.zeros(9), []
    for char in text:
        H = np.tanh(W_xh['abcdef '.index(char)] + H @ W_hh + b_h)
        expected.append(H)
    hiddens = plot_hidden_units.hidden_states(model, text)
    np.testing.assert_allclose(hiddens, expected, atol=1e-5)

    axes, bar = plot_hidden_units.figure(model, text, 4).axes
    rows = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert sorted(rows) == sorted(np.argsort(np.var(expected, axis=0))[-4:])
    drawn, = axes.get_images()
    np.testing.assert_array_equal(drawn.get_array(), hiddens[:, rows].T)
    assert drawn.get_clim() == (-1, 1) and bar.get_ylim() == (-1, 1)
    assert ''.join(label.get_text() for label in axes.get_xticklabels()) == 'fade␣a␣bee'
    assert drawn.get_extent()[:2] == [-0.5, 9.5] and list(axes.get_xticks()) == list(range(10))


def test_units_that_are_alike_are_neighbours():
    tune, other = np.array([1, -1, 1, 1, -1, -1]), np.array([-1, -1, 1, -1, 1, 1])
    hiddens = np.stack([0.8 * tune, 0.1 * tune, 0.7 * other, tune, 0.9 * other], axis=1)
    assert plot_hidden_units.choose_units(hiddens, 4) == [3, 0, 2, 4], 'unit 1 hardly moves'
    assert sorted(plot_hidden_units.choose_units(hiddens, 40)) == [0, 1, 2, 3, 4]


def test_the_line_that_the_model_writes_itself():
    model = checkpoint('分开了')
    text = plot_hidden_units.line_for(model)
    assert len(text) == 32 and text == d2l.predict_rnn('分开', 30, *model.model())
    assert plot_hidden_units.line_for(model, '了开') == '了开'


def make_font(path, name, characters, style='Regular'):
    """A font file in which each of the characters is an empty glyph."""
    glyphs = ['.notdef', 'glyph']
    font = FontBuilder(1000)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap({ord(char): 'glyph' for char in characters})
    font.setupGlyf({glyph: Glyph() for glyph in glyphs})
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (500, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({'familyName': name, 'styleName': style})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return str(path)


def test_the_character_map_decides_on_the_font(tmp_path, monkeypatch):
    (tmp_path / 'broken.ttf').write_bytes(b'no font')
    fonts = [str(tmp_path / 'broken.ttf'), str(tmp_path / 'gone.ttf')]
    monkeypatch.setattr(plot_hidden_units.font_manager, 'findSystemFonts', lambda: fonts)
    assert Path(plot_hidden_units.find_font('plain text')).name == 'DejaVuSans.ttf'
    fonts.append(make_font(tmp_path / 'half.ttf', 'Noto Sans CJK SC', '分'))
    fonts.append(make_font(tmp_path / 'boxes.ttf', 'Last Resort', '分开' + NO_CHARACTER))
    with pytest.raises(FileNotFoundError, match="'分 开'.*fonts-noto-cjk"):
        plot_hidden_units.find_font('分 开')
    bold = make_font(tmp_path / 'a-bold.ttf', 'Any', '分开', 'Bold')
    fonts.append(bold)
    assert plot_hidden_units.find_font('分 开') == bold, 'rather bold than nothing'
    fonts += [make_font(tmp_path / f'{name}.ttf', 'Any', '分开') for name in ['c', 'b']]
    assert plot_hidden_units.find_font('分 开') == fonts[-1], 'the same one each time, whatever the order'


def test_the_newest_run(run, tmp_path):
    for age, name in [(3, 'new/random'), (4, 'new/consecutive'), (1, 'new/random-best'), (9, 'old/random')]:
        save_checkpoint(tmp_path / f'runs/{name}.json', checkpoint())
        os.utime(tmp_path / f'runs/{name}.json', (1e9 - age, 1e9 - age))
    found = plot_training.newest_run(tmp_path / 'runs')
    assert [path.relative_to(tmp_path / 'runs').as_posix() for path in found] == ['new/consecutive.json',
                                                                                 'new/random.json']
    for script, picture in [(TRAINING, 'training.png'), (HIDDEN, 'hidden.png')]:
        result = run(script, *(['--text', 'a face'] if script == HIDDEN else []))
        assert (result.returncode, result.stdout) == (0, f'picture in {picture}\n'), result.stderr
        assert_is_picture(tmp_path / picture, 300, 400)


def test_named_checkpoints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint('a/random.json', checkpoint(sampling='random', held_out=[6, 5, 5.5]))
    save_checkpoint('b/random.json', checkpoint(sampling='random', unigram_perplexity=5.5))
    plot_training.main(['a/random.json', 'b/random.json', '-o', 'pictures/both.png'])
    assert_is_picture('pictures/both.png', 500, 1000)
    plot_hidden_units.main(['a/random.json', '--text', 'dead beef cafe', '--units', '5', '-o', 'pictures/units.png'])
    assert_is_picture('pictures/units.png', 300, 500)
    assert len(os.listdir('pictures')) == 2, 'no temporary file is left'


@pytest.mark.parametrize('script, flags, message', [
    (TRAINING, [], 'no checkpoint under runs'),
    (HIDDEN, ['a.json', '--text', f'a{NO_CHARACTER}'], 'No font on this machine'),
])
def test_a_mistake_is_one_sentence(run, tmp_path, script, flags, message):
    save_checkpoint(tmp_path / 'a.json', checkpoint(f'abc{NO_CHARACTER}'))
    before = sorted(tmp_path.iterdir())
    result = run(script, *flags)
    assert (result.returncode, result.stdout) == (1, '')
    sentence, = result.stderr.splitlines()
    assert message in sentence
    assert sorted(tmp_path.iterdir()) == before, 'there is no picture'


@pytest.mark.parametrize('script, flags, message', [
    (plot_training, ['nowhere.json'], 'no checkpoint at nowhere.json'),
    (plot_training, ['a.json', '-o', 'a.nonsense'], 'nonsense'),
    (plot_hidden_units, [], 'no checkpoint under runs'),
    (plot_hidden_units, ['nowhere.json'], 'no checkpoint at nowhere.json'),
    (plot_hidden_units, ['a.json'], "'分', '开'"),
    (plot_hidden_units, ['a.json', '--text', 'abx'], "'x'"),
    (plot_hidden_units, ['a.json', '--text', 'ab', '--units', '0'], '--units'),
])
def test_other_mistakes(tmp_path, monkeypatch, script, flags, message):
    monkeypatch.chdir(tmp_path)
    save_checkpoint('a.json', checkpoint('abc'))
    before = sorted(tmp_path.iterdir())
    with pytest.raises((OSError, ValueError), match=message):
        script.main(flags)
    assert sorted(tmp_path.iterdir()) == before, 'there is no picture'
