"""Beyond the chapter: models in a browser. One file, without a network, that any machine opens.

    to_html([checkpoint], 'songs.html')

page.html is the template: its script computes a step as `model.py` does. Here the models are put into it.
"""
import base64
import json
import math
from dataclasses import fields
from pathlib import Path

from .cells import CELLS
from .checkpoint import arrays_of
from .export import check_known, new_path
from .files import write_whole
from .settings import SAMPLINGS, Settings

LARGEST = 20_000_000        # bytes of parameters in one page; the file, a third larger, is still sent by mail
TEMPLATE = Path(__file__).with_name('page.html')


def to_html(checkpoints, path, names=None):
    """把一个或几个模型写成一个网页，双击就能打开。

    Write models as one page, which computes them in a browser. At temperature 0 it writes what `predict_rnn` writes.
    With a temperature it draws with a generator of its own: the same seed gives the same song there, but not the song
    that Python writes. `names` are shown in the page's menu, one for each model (default: model 1, model 2 …).

    ValueError: no model, not a name for each, the cell is one of your own, all parameters together have more than
    20,000,000 bytes, the path does not end in .html, or a number is not finite. FileExistsError: there is a file of
    that name. OSError: it cannot be written.
    """
    path = new_path(path, '.html')
    if not checkpoints:
        raise ValueError('There is no model for the page: give at least one.')
    names = names or [f'model {number}' for number in range(1, len(checkpoints) + 1)]
    if len(names) != len(checkpoints):
        raise ValueError(f'There are {len(checkpoints)} models and {len(names)} names: give a name for each model.')
    size = sum(4 * param.size for checkpoint in checkpoints for param in checkpoint.params)
    if size > LARGEST:
        raise ValueError(f'The models have {size:,} bytes of parameters, and a page takes {LARGEST:,} at most: give '
                         'fewer models, or train one with fewer hidden units.')
    models = []
    for name, checkpoint in zip(names, checkpoints):
        check_known(checkpoint.cell, CELLS)
        arrays = arrays_of(checkpoint, path)
        models.append({
            'name': name, 'cell': checkpoint.cell, 'num_hiddens': checkpoint.num_hiddens,
            'idx_to_char': checkpoint.idx_to_char, 'perplexities': [f'{p:.6g}' for p in checkpoint.perplexities],
            'settings': public(checkpoint.settings),
            'params': {symbol: base64.b64encode(array.astype('<f4').tobytes()).decode()
                       for symbol, array in arrays.items()}})
    # In HTML only `<` could end the script that the models stand in; all that is not ASCII is escaped, too.
    data = json.dumps(models).replace('<', '\\u003c')
    write_whole(path, TEMPLATE.read_text('utf-8').replace('@MODELS@', data).encode(), is_new=True)


def public(settings):
    """Of the settings of a run its numbers, and how it sampled: no path, no name of a user."""
    known = {setting.name: settings.get(setting.name) for setting in fields(Settings)}
    return {name: value for name, value in known.items() if isinstance(value, (int, float)) and math.isfinite(value)
            or name == 'sampling' and value in SAMPLINGS}
