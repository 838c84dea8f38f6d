"""The pictures: what is drawn, against the numbers that it shows; and that no file is lost for them."""
import ast
import itertools
import math
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.beyond import pictures
from rnn_scratch.beyond.checkpoint import Checkpoint

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from mxnet import nd


def checkpoint(idx_to_char='abcdef ', h=9, perplexities=(7.5, 4.25, 1.125), held_out=(), engine='tutorial', **settings):
    """A model with large random weights, so that its hidden units move."""
    random, q = np.random.RandomState(0), len(idx_to_char)
    params = [nd.array(random.normal(size=shape)) for shape in [(q, h), (h, h), (h,), (h, q), (q,)]]
    return Checkpoint(params, list(perplexities), list(idx_to_char), h, engine=engine, settings=settings,
                      held_out=list(held_out))


def lines(fig):
    axes, = fig.axes
    return {line.get_label(): line for line in axes.get_lines()}


def assert_is_picture(path, height, width):
    pixels = image.imread(path, format='png')
    assert pixels.shape[0] >= height and pixels.shape[1] >= width
    colours = (255 * pixels).astype(int) @ 256 ** np.arange(pixels.shape[2])
    assert len(np.unique(colours)) > 10, 'there is something on it'


def test_a_line_for_each_run():
    runs = [('a', checkpoint(sampling='random', held_out=[6.5, 5.5, 5.75])), ('b', checkpoint(sampling='consecutive')),
            ('gru', checkpoint(perplexities=[6, 5]))]
    drawn = lines(pictures.training_figure(runs))
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
    assert list(lines(pictures.training_figure(runs)))[1:] == ['random sampling, a', 'random sampling, b']


def test_the_baselines():
    runs = [('a', checkpoint(unigram_perplexity=5.5)), ('b', checkpoint(unigram_perplexity=5.5))]
    drawn = lines(pictures.training_figure(runs))
    assert list(drawn) == ['uniform guess', 'unigram', 'a', 'b'], 'each baseline once'
    assert list(drawn['uniform guess'].get_ydata()) == [7, 7]
    assert list(drawn['unigram'].get_ydata()) == [5.5, 5.5]
    drawn = lines(pictures.training_figure([('a', checkpoint(held_out_unigram_perplexity=6.25))]))
    assert list(drawn['unigram, held out'].get_ydata()) == [6.25, 6.25]


def test_the_perplexity_axis():
    vocabulary = [chr(ord('一') + i) for i in range(1027)]
    axes, = pictures.training_figure([('a', checkpoint(vocabulary, 2, [1400, 20, 1.2], [300, 200, 400]))]).axes
    assert axes.get_yscale() == 'log'
    low, high = axes.get_ylim()
    assert low == 1 and 1400 < high < 2000
    ticks = [label.get_text() for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high]
    assert ticks == ['1', '2', '5', '10', '20', '50', '100', '200', '500', '1000']


@pytest.mark.parametrize('perplexities', [[math.inf, 1e9, 3.0], [math.inf], [7.0], []], ids=str)
def test_odd_runs_have_a_picture(perplexities, tmp_path):
    fig = pictures.training_figure([('a', checkpoint(perplexities=perplexities))])
    pictures.save(fig, tmp_path / 'a.png')
    axes, = fig.axes
    assert np.isfinite(axes.get_ylim()).all() and axes.get_ylim()[1] >= 7
    assert len([y for y in axes.get_yticks() if 1 <= y <= axes.get_ylim()[1]]) >= 3
    assert_is_picture(tmp_path / 'a.png', 300, 600)


def test_no_label_lies_on_another():
    runs = [(f'run {i}', checkpoint(perplexities=[6, 1 + i / 100], held_out=[6, 6.9])) for i in range(11)]
    fig = pictures.training_figure(runs)
    FigureCanvasAgg(fig).draw()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    assert len(boxes) == 23
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(0 <= text.get_position()[1] <= 1 for text in fig.axes[0].texts), 'beside the axes'
    assert all(fig.bbox.containsx(box.x1) and fig.bbox.containsy(box.y0) for box in boxes), 'nothing is cut off'


def test_a_label_stands_at_the_end_of_its_line():
    fig = pictures.training_figure([('a', checkpoint(perplexities=[6, 2]))])
    FigureCanvasAgg(fig).draw()
    for text in fig.axes[0].texts:
        label, perplexity = text.get_text().split(': ')
        y = lines(fig)[label].get_ydata()[-1]
        assert float(perplexity) == y
        _, pixel = fig.axes[0].transData.transform((0, y))
        assert text.get_window_extent().y0 < pixel < text.get_window_extent().y1


def test_a_name_in_chinese_has_its_font_or_a_number(tmp_path, monkeypatch):
    runs = [('一', checkpoint(held_out=[6, 5, 4])), ('二', checkpoint())]
    monkeypatch.setattr(pictures.font_manager, 'findSystemFonts', list)
    with pytest.warns(UserWarning, match='一, 二.*the runs are numbered.*fonts-noto-cjk'):
        fig = pictures.training_figure(runs)
    assert list(lines(fig))[1:] == ['run 1', 'run 1, held out', 'run 2']

    font = make_font(tmp_path / 'han.ttf', 'Any', '一二, ')
    monkeypatch.setattr(pictures.font_manager, 'findSystemFonts', lambda: [font])
    fig = pictures.training_figure(runs)
    assert list(lines(fig))[1:] == ['一', '一, held out', '二']
    assert {text.get_fontproperties().get_file() for text in fig.axes[0].texts} == {font}


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
    monkeypatch.setattr(pictures.font_manager, 'findSystemFonts', lambda: fonts)
    assert Path(pictures.find_font('plain text')).name == 'DejaVuSans.ttf'
    fonts.append(make_font(tmp_path / 'half.ttf', 'Noto Sans CJK SC', '分'))
    fonts.append(make_font(tmp_path / 'boxes.ttf', 'Last Resort', '分开' + pictures.NO_CHARACTER))
    assert pictures.find_font('分 开') is None
    bold = make_font(tmp_path / 'a-bold.ttf', 'Any', '分开', 'Bold')
    fonts.append(bold)
    assert pictures.find_font('分 开') == bold, 'rather bold than nothing'
    fonts += [make_font(tmp_path / f'{name}.ttf', 'Any', '分开') for name in ['c', 'b']]
    assert pictures.find_font('分 开') == fonts[-1], 'the same one each time, whatever the order'


@pytest.mark.parametrize('text, cure', [
    ('ฝนตก', 'fonts-noto-core'), ('مطر', 'fonts-noto-core'), ('बारिश', 'fonts-noto-core'), ('ゃー々', 'fonts-noto-cjk'),
    ('abc雨', 'fonts-noto-cjk'), ('，。', 'fonts-noto-cjk'), ('مطر雨', 'few fonts have ARABIC and CJK together'),
    ('a😀', 'no font that matplotlib can draw has emoji')])
def test_the_cure_for_a_missing_font_fits_the_script(text, cure):
    assert cure in pictures.cure_for(text)


def test_the_pictures_are_written(tmp_path):
    runs = [('a', checkpoint(sampling='random', held_out=[6, 5, 5.5])),
            ('b', checkpoint(sampling='random', unigram_perplexity=5.5))]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        pictures.plot_training(runs, tmp_path / 'new/folder/both.png')
        pictures.plot_training(runs[:1], str(tmp_path / 'new/folder/one.PNG'))
    assert_is_picture(tmp_path / 'new/folder/both.png', 500, 1000)
    assert_is_picture(tmp_path / 'new/folder/one.PNG', 500, 1000)
    assert len(os.listdir(tmp_path / 'new/folder')) == 2, 'no temporary file is left'


@pytest.mark.parametrize('name, start', [('a.pdf', b'%PDF-'), ('a.svg', b'<?xml'), ('a.b.png', b'\x89PNG')])
def test_the_ending_chooses_the_kind(name, start, tmp_path):
    pictures.plot_training([('a', checkpoint())], tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize('name', ['a.nonsense', 'a', '.png', 'a.png.', 'a.pgf'])
def test_an_unknown_ending_is_refused_before_any_work(name, tmp_path):
    with pytest.raises(ValueError, match=rf'{name}.*\.pdf, .*\.png, .*\.svg.*\.$'):
        pictures.plot_training(None, tmp_path / 'folder' / name)      # None: a model that nothing can be done with
    assert os.listdir(tmp_path) == []


def test_what_is_there_is_never_overwritten(tmp_path):
    (tmp_path / 'file.png').write_bytes(b'the old one')
    (tmp_path / 'folder.png').mkdir()
    (tmp_path / 'link.png').symlink_to('nowhere')
    before = sorted(tmp_path.iterdir())
    for name, what in [('file.png', 'a file'), ('folder.png', 'a folder'), ('link.png', 'a file')]:
        with pytest.raises(FileExistsError, match=f'^There is {what} at .*{name} already: choose another name.$'):
            pictures.plot_training(None, tmp_path / name)
    with pytest.raises(NotADirectoryError, match='new/a.png cannot be made, because .*file.png is not a folder'):
        pictures.plot_training(None, tmp_path / 'file.png/new/a.png')
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / 'file.png').read_bytes() == b'the old one'


class Drawing:
    """In place of a figure: gives its content, and then does what it is told."""

    def __init__(self, content, then=lambda: None):
        self.content, self.then = content, then

    def savefig(self, file, format):
        file.write(self.content)
        self.then()


@pytest.fixture(params=['hard links', 'no hard links'])
def file_system(request, monkeypatch):
    """The disk as it is, and as a disk that knows no hard links."""
    def refuse(source, target):
        raise PermissionError(1, 'Operation not permitted')

    if request.param == 'no hard links':
        monkeypatch.setattr(os, 'link', refuse)


@pytest.mark.parametrize('error', [OSError('the disk is full'), OSError(28, 'No space left'), KeyboardInterrupt()])
def test_a_picture_is_written_whole_or_not_at_all(error, file_system, tmp_path, monkeypatch):
    def fail(*_):
        raise error

    expected = 'a.png.*(full|No space left).*another place' if isinstance(error, OSError) else None
    with monkeypatch.context() as patch, pytest.raises(type(error), match=expected):
        patch.setattr(os, 'fsync', fail)        # half of it may be on the disk by then
        pictures.save(Drawing(b'half'), tmp_path / 'a.png')
    assert os.listdir(tmp_path) == []
    pictures.save(Drawing(b'whole'), tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes() == b'whole'


def test_a_name_that_was_taken_is_given_back(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(os, 'link', refuse)
    monkeypatch.setattr(os, 'replace', refuse)
    with pytest.raises(OSError, match='Input/output'):
        pictures.save(Drawing(b'whole'), tmp_path / 'a.png')
    assert os.listdir(tmp_path) == []


def test_a_file_that_comes_while_the_picture_is_drawn_stays(file_system, tmp_path):
    path = tmp_path / 'a.png'
    with pytest.raises(FileExistsError, match='There is a file at .*a.png already: choose another name'):
        pictures.save(Drawing(b'the second', lambda: path.write_bytes(b'the first')), path)
    assert path.read_bytes() == b'the first' and os.listdir(tmp_path) == ['a.png']


def test_of_many_at_once_one_gets_the_name(file_system, tmp_path):
    path = tmp_path / 'a.png'

    def save(i):
        try:
            pictures.save(Drawing(b'%d' % i), path)
        except FileExistsError:
            return None
        return b'%d' % i

    with ThreadPoolExecutor(16) as threads:
        for _ in range(10):
            winner, = filter(None, threads.map(save, range(16)))
            assert path.read_bytes() == winner
            path.unlink()
    assert os.listdir(tmp_path) == []


def test_a_free_name(tmp_path):
    names = []
    for _ in range(3):
        names.append(pictures.free_name(str(tmp_path / 'training.png')))
        names[-1].touch()
    assert [name.name for name in names] == ['training.png', 'training-2.png', 'training-3.png']
    assert {name.parent for name in names} == {tmp_path}
    (tmp_path / 'link.pdf').symlink_to('nowhere')
    assert pictures.free_name(tmp_path / 'link.pdf').name == 'link-2.pdf'


@pytest.mark.parametrize('value', [[1], 'ten', None, {}, math.nan, True], ids=str)
def test_a_baseline_that_is_no_number_is_left_out(value):
    """The settings of a checkpoint are whatever somebody wrote there."""
    assert len(lines(pictures.training_figure([('a', checkpoint(unigram_perplexity=value, sampling=[1]))]))) in (2, 3)


def test_no_run_is_no_picture(tmp_path):
    with pytest.raises(ValueError, match='at least one, not'):
        pictures.plot_training([], tmp_path / 'a.png')
    assert os.listdir(tmp_path) == []


def test_matplotlib_is_imported_by_this_module_alone():
    importing = {}
    for path in Path(d2l.__file__).parent.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            modules = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [f'{node.module}.{name.name}' for name in node.names]
            importing.setdefault(path.name, set()).update(name for name in modules if name.startswith('matplotlib'))
    assert {name for name, modules in importing.items() if modules} == {'pictures.py'}
    assert not any('pyplot' in name for name in importing['pictures.py']), 'pyplot keeps every figure in memory'
