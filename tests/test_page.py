"""The page that a model goes into: what the file holds, and, in a real browser, what it computes."""
import base64
import dataclasses
import json
import math
import re
import subprocess

import rnn_scratch as d2l
from rnn_scratch._checks import shape_of
from rnn_scratch.beyond import page
from rnn_scratch.beyond.cells import CELLS
from rnn_scratch.beyond.checkpoint import Checkpoint, save_checkpoint
from rnn_scratch.beyond.evaluation import evaluate

import mxnet as mx
import numpy as np
import pytest
from conftest import ROOT
from mxnet import nd

BROWSER = ROOT / '.venv-browser/bin/python'
VOCABULARY = sorted('"\'\\\0\n\u2028\u200b😀é &<>/分开不夜雨月风天abc')
H = 16


def make_model(cell, vocabulary=VOCABULARY):
    mx.random.seed(1)
    V = len(vocabulary)
    params = CELLS[cell].get_params(V, H, V, mx.cpu())
    for symbol, param in zip(CELLS[cell].symbols, params):
        param[:] = nd.random.normal(scale=1 if symbol[1:3] == '_x' or symbol == 'W_hq' else 0.25, shape=param.shape)
    settings = {'seed': 3, 'lr': 100.0, 'corpus': '/home/somebody/text', 'sampling': '/home/somebody', 'mine': 5,
                'num_steps': 10 ** 400, 'theta': None, 'engine': ['/home/somebody']}
    return Checkpoint(params, [99, 9.5, math.inf], vocabulary, H, cell, settings=settings)


def test_the_file_holds_the_models_and_nothing_private(tmp_path):
    page.to_html([('</script><script>alert(1)</script>', make_model('gru'))], tmp_path / 'a.html')
    text = (tmp_path / 'a.html').read_text('utf-8')
    assert text.count('</script>') == 2 and 'somebody' not in text and 'innerHTML' not in text
    assert not re.search(r'(src|href)=|https?:', text)
    model, = json.loads(re.search(r'id="models">(.*?)</script>', text, re.DOTALL).group(1))
    assert (model['name'], model['idx_to_char']) == ('</script><script>alert(1)</script>', VOCABULARY)
    assert model['settings'] == {'seed': 3, 'lr': 100.0, 'theta': None}
    assert model['perplexities'] == ['99', '9.5', 'inf']


def test_refusals(tmp_path, monkeypatch):
    model, path = make_model('rnn'), tmp_path / 'a.html'
    for wrong in [[], model, [model], [('songs', 'songs.safetensors')]]:
        with pytest.raises((TypeError, ValueError), match='a list of pairs .*, at least one'):
            page.to_html(wrong, path)
    with pytest.raises(ValueError, match=r'\.html'):
        page.to_html([('songs', model)], tmp_path / 'a.htm')
    own = dataclasses.replace(model, cell='mine')
    with pytest.raises(ValueError, match="'mine'"):
        page.to_html([('songs', own)], path)
    with pytest.raises(ValueError, match="the vocabulary of 'songs' has longer entries, such as 'cat'"):
        page.to_html([('songs', make_model('rnn', ['cat', 'the']))], path)
    monkeypatch.setattr(page, 'LARGEST', 100)
    with pytest.raises(ValueError, match='fewer'):
        page.to_html([('songs', model)], path)
    assert not path.exists()
    path.write_text('mine')
    with pytest.raises(FileExistsError, match='already'):
        page.to_html([('songs', model)], path)
    assert path.read_text() == 'mine'


def test_the_command(program, tmp_path):
    for name, cell in [('one', 'rnn'), ('other', 'lstm')]:
        model = dataclasses.replace(make_model(cell), perplexities=[9.5], settings={})
        save_checkpoint(tmp_path / f'{name}.safetensors', model)
    result = program('export', 'one.safetensors', 'other.safetensors', '--to', 'html', '--out', 'songs.html')
    assert result.returncode == 0 and result.stdout == 'saved to songs.html: open it in a browser\n', result.stderr
    assert [model['name'] for model in in_page(tmp_path / 'songs.html')] == ['one', 'other']
    result = program('export', 'one.safetensors', '--to', 'html', '--out', 'a\x1b[31m.html')
    assert result.stdout == 'saved to a\\x1b[31m.html: open it in a browser\n', result.stderr
    result = program('export', 'one.safetensors', 'other.safetensors', '--to', 'onnx', '--out', 'songs.onnx')
    assert result.returncode == 1 and 'A file for onnx has one model, and 2 were given: name one.' in result.stderr
    assert not (tmp_path / 'songs.onnx').exists()


def in_page(path):
    return json.loads(re.search(r'id="models">(.*?)</script>', path.read_text('utf-8'), re.DOTALL).group(1))


def shipped():
    """The models of docs/songs.html, which know the shipped songs."""
    for model in in_page(ROOT / 'docs/songs.html'):
        shapes = [shape_of(symbol, len(model['idx_to_char']), model['num_hiddens'], len(model['idx_to_char']))
                  for symbol in CELLS[model['cell']].symbols]
        arrays = [np.frombuffer(base64.b64decode(model['params'][symbol]), '<f4') for symbol in CELLS['rnn'].symbols]
        yield Checkpoint([nd.array(array.reshape(shape)) for array, shape in zip(arrays, shapes)],
                         [float(p) for p in model['perplexities']], model['idx_to_char'], model['num_hiddens'])


def test_the_page_in_docs_is_what_the_template_makes_now():
    text, template = ((ROOT / name).read_text('utf-8') for name in ('docs/songs.html', 'rnn_scratch/beyond/page.html'))
    before, after = template.split('@MODELS@')
    assert text.startswith(before) and text.endswith(after) and len(text.encode()) < 2_000_000


def probabilities(model, text):
    """The package's own, in float64 from its scores: (T, V)."""
    rnn, params, init, h, V, ctx, _, char_to_idx = model.model()
    outputs, _ = rnn(d2l.to_onehot(nd.array([[char_to_idx[c] for c in text]]), V), init(1, h, ctx), params)
    Y = np.concatenate([Y.asnumpy() for Y in outputs]).astype('float64')
    p = np.exp(Y - Y.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER.exists(), reason='needs Chromium and Selenium: make browser')
@pytest.mark.parametrize('what', ['all cells', 'the page in docs'])
def test_in_a_browser_it_computes_what_the_package_computes(tmp_path, what):
    if what == 'all cells':
        models = [make_model(cell) for cell in CELLS] + [make_model('rnn', sorted(set('the quick brown fox')))]
        asked = [('分开', 30, '分开 不夜雨?月 <a')] * len(CELLS) + [('the ', 30, 'the brown Fox')]
        path = tmp_path / 'a.html'
        page.to_html([(model.cell, model) for model in models], path)
    else:
        models, path = [*shipped()], ROOT / 'docs/songs.html'
        asked = [('分开', 50, '分开的 夜里#')] * len(models)
    result = subprocess.run([str(BROWSER), str(ROOT / 'tests/browser.py'), str(path), str(tmp_path)],
                            input=json.dumps(asked), capture_output=True, text=True, timeout=170)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found['console'] == []
    assert len(found['requests']) == 1 and found['requests'][0].startswith('file:')
    for model, (prefix, length, line), answer in zip(models, asked, found['answers']):
        assert answer['text'] == model.predict(prefix, length)
        assert 'lr 100' in answer['about'] and 'somebody' not in answer['about']
        assert np.abs(np.array(answer['p']) - probabilities(model, answer['text'])).max() < 1e-5
        expected = evaluate(line, *model.model())
        losses = [each['loss'] for each in answer['losses']['losses'] if each.get('loss') is not None]
        assert math.isclose(math.exp(sum(losses) / len(losses)), expected.perplexity, rel_tol=1e-5)
        assert f'{expected.perplexity:.3f}'[:4] in answer['shown']
        assert [each['char'] for each in answer['losses']['losses'] if 'loss' not in each] == [*expected.unknown]
        assert answer['songs'][0] == answer['songs'][1]
        assert answer['titles'][0] != answer['titles'][1]
