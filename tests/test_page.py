"""The page that a model goes into: what the file holds, and, in a real browser, what it computes."""
import dataclasses
import json
import math
import re
import subprocess

import rnn_scratch as d2l
from rnn_scratch.beyond import page
from rnn_scratch.beyond.cells import CELLS
from rnn_scratch.beyond.checkpoint import Checkpoint
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
    return Checkpoint(params, [9.5], vocabulary, H, cell, settings={'seed': 3, 'corpus': '/home/somebody/text'})


def test_the_file_holds_the_models_and_nothing_private(tmp_path):
    page.to_html([make_model('gru')], tmp_path / 'a.html', ['</script><script>alert(1)</script>'])
    text = (tmp_path / 'a.html').read_text('utf-8')
    assert text.count('</script>') == 2 and 'somebody' not in text and 'innerHTML' not in text
    assert not re.search(r'(src|href)=|https?:', text)
    model, = json.loads(re.search(r'id="models">(.*?)</script>', text, re.DOTALL).group(1))
    assert (model['name'], model['idx_to_char']) == ('</script><script>alert(1)</script>', VOCABULARY)
    assert model['settings'] == {'seed': 3}


def test_refusals(tmp_path, monkeypatch):
    model, path = make_model('rnn'), tmp_path / 'a.html'
    with pytest.raises(ValueError, match='at least one'):
        page.to_html([], path)
    with pytest.raises(ValueError, match=r'\.html'):
        page.to_html([model], tmp_path / 'a.htm')
    own = dataclasses.replace(model, cell='mine')
    with pytest.raises(ValueError, match="'mine'"):
        page.to_html([own], path)
    monkeypatch.setattr(page, 'LARGEST', 100)
    with pytest.raises(ValueError, match='fewer'):
        page.to_html([model], path)
    assert not path.exists()
    path.write_text('mine')
    with pytest.raises(FileExistsError, match='already'):
        page.to_html([model], path)
    assert path.read_text() == 'mine'


def probabilities(model, text):
    """The package's own, in float64 from its scores: (T, V)."""
    rnn, params, init, h, V, ctx, _, char_to_idx = model.model()
    outputs, _ = rnn(d2l.to_onehot(nd.array([[char_to_idx[c] for c in text]]), V), init(1, h, ctx), params)
    Y = np.concatenate([Y.asnumpy() for Y in outputs]).astype('float64')
    p = np.exp(Y - Y.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER.exists(), reason='needs Chromium and Selenium: make browser')
def test_in_a_browser_it_computes_what_the_package_computes(tmp_path):
    models = [make_model(cell) for cell in CELLS] + [make_model('rnn', sorted(set('the quick brown fox')))]
    asked = [('分开', 30, '分开 不夜雨?月 <a')] * len(CELLS) + [('the ', 30, 'the brown Fox')]
    page.to_html(models, tmp_path / 'a.html')
    result = subprocess.run([str(BROWSER), str(ROOT / 'tests/browser.py'), str(tmp_path / 'a.html'), str(tmp_path)],
                            input=json.dumps(asked), capture_output=True, text=True, timeout=170)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found['console'] == []
    assert len(found['requests']) == 1 and found['requests'][0].startswith('file:')
    for model, (prefix, length, line), answer in zip(models, asked, found['answers']):
        assert answer['text'] == model.predict(prefix, length)
        assert np.abs(np.array(answer['p']) - probabilities(model, answer['text'])).max() < 1e-5
        expected = evaluate(line, *model.model())
        losses = [each['loss'] for each in answer['losses']['losses'] if each.get('loss') is not None]
        assert math.isclose(math.exp(sum(losses) / len(losses)), expected.perplexity, rel_tol=1e-5)
        assert f'{expected.perplexity:.3f}'[:4] in answer['shown']
        assert [each['char'] for each in answer['losses']['losses'] if 'loss' not in each] == [*expected.unknown]
        assert answer['songs'][0] == answer['songs'][1]
        assert answer['titles'][0] != answer['titles'][1]
