"""Beyond the chapter: models in a browser. One file, without a network, that any machine opens.

    to_html([('songs', checkpoint)], 'songs.html')

page.html is the template: its script computes a step as `model.py` does. Here the models are put into it.
"""
import base64
import contextlib
import json
from dataclasses import fields
from pathlib import Path

from .._checks import show
from .cells import CELLS
from .checkpoint import arrays_of, check_named
from .export import check_known, new_path
from .files import write_whole
from .settings import Settings

LARGEST = 20_000_000        # bytes of parameters in one page; the file, a third larger, is still sent by mail


def to_html(checkpoints, path):
    """把一个或几个模型写成一个网页，双击就能打开。

    Write models as one page, which computes them in a browser: a list of (name, Checkpoint), as for `plot_training`;
    the names are the page's menu. At temperature 0 it writes what `predict_rnn` writes. With a temperature it draws
    with a generator of its own: the same seed gives the same song there, but not the song that Python writes.

    TypeError or ValueError: it is no such list, a cell is one of your own, a vocabulary has words, all parameters
    together have more than 20,000,000 bytes, the path does not end in .html, or a number is not finite.
    FileExistsError: there is a file of that name. OSError: it cannot be written.
    """
    path = new_path(path, '.html')
    check_named(checkpoints)
    size = sum(4 * param.size for _, checkpoint in checkpoints for param in checkpoint.params)
    if size > LARGEST:
        raise ValueError(f'The models have {size:,} bytes of parameters, and a page takes {LARGEST:,} at most: give '
                         'fewer models, or train one with fewer hidden units.')
    models = []
    for name, checkpoint in checkpoints:
        check_known(checkpoint.cell, CELLS)
        longer = [entry for entry in checkpoint.idx_to_char if len(entry) > 1]
        if longer:
            raise ValueError(f'A page reads a beginning one character at a time, and the vocabulary of {name!r} has '
                             f'longer entries, such as {show(longer[0])}: export it to ONNX or PyTorch.')
        models.append({
            'name': name, 'cell': checkpoint.cell, 'num_hiddens': checkpoint.num_hiddens,
            'idx_to_char': checkpoint.idx_to_char, 'perplexities': [f'{p:.6g}' for p in checkpoint.perplexities],
            'settings': public(checkpoint.settings),
            'params': {symbol: base64.b64encode(array.astype('<f4').tobytes()).decode()
                       for symbol, array in arrays_of(checkpoint, path).items()}})
    # In HTML only `<` could end the script that the models stand in; all that is not ASCII is escaped, too.
    data = json.dumps(models).replace('<', '\\u003c')
    template = Path(__file__).with_name('page.html').read_text('utf-8')
    write_whole(path, template.replace('@MODELS@', data).encode(), is_new=True)


def public(settings):
    """Of a file's settings those that a run has, and that are right; not where its text is, which may name a user."""
    shown = {}
    for setting in fields(Settings):
        if setting.name in settings and setting.name != 'corpus':
            with contextlib.suppress(TypeError, ValueError):
                setting.metadata['rule'](**{setting.name: settings[setting.name]})
                shown[setting.name] = settings[setting.name]
    return shown
