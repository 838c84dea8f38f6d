"""Models that leave MXNet: computed by PyTorch and ONNX Runtime in their environment, and what the files hold."""
import dataclasses
import json
import math
import os
import re
import subprocess
import sys

import rnn_scratch as d2l
from rnn_scratch.beyond.cells import CELLS
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rnn_scratch.beyond.export import layer_for, to_onnx, to_pytorch

import mxnet as mx
import numpy as np
import onnx
import pytest
import safetensors
import safetensors.numpy
from conftest import ROOT
from mxnet import nd
from onnx import numpy_helper

ELSEWHERE = ROOT / '.venv-elsewhere-{}.{}'.format(*sys.version_info) / 'bin/python'
PAGE = (ROOT / 'docs/leaving-mxnet.md').read_text('utf-8')
PROGRAMS = dict(zip(['pytorch', 'onnx', 'gru'], re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)))
LAYERS = dict(re.findall(r'^\| `(\w+)` \| `(torch.nn.*)` \|$', PAGE, re.MULTILINE))

# With quotes, a backslash, all that ends a line somewhere, what has no width, and what has more than 16 bits.
VOCABULARY = sorted('"\'\\\0\t\n\v\r\x1b\x7f\x85\u2028\u200b\ufeff😀é {}[]分开不夜雨月风天')
SONG = '分开 不分开 雨夜 月 风天 ' * 30
H, T, N = 16, 7, 3
MODELS = [(cell, seed) for cell in CELLS for seed in [1, 2, 'trained']]


def make_model(cell, seed):
    """With weights that open and close the gates, and with biases; or after a few epochs of a song."""
    mx.random.seed(3 if seed == 'trained' else seed)
    rnn, get_params, init_rnn_state, symbols = CELLS[cell]
    V, params, perplexities = len(VOCABULARY), get_params(len(VOCABULARY), H, len(VOCABULARY), mx.cpu()), [9.5]
    if seed == 'trained':
        song = [VOCABULARY.index(char) for char in SONG]
        perplexities = [d2l.train_epoch(rnn, params, init_rnn_state, H, V, mx.cpu(), song, False, 10, 2, 1, 4)
                        for _ in range(15)]
        assert perplexities[-1] < 12 < perplexities[0]
    else:
        for symbol, param in zip(symbols, params):
            # From H to H not so large that a rounding error grows with each step.
            scale = 1 if symbol[1:3] == '_x' or symbol == 'W_hq' else 0.25
            param[:] = nd.random.normal(scale=scale, shape=param.shape)
    return Checkpoint(params, perplexities, VOCABULARY, H, cell)


class Models(dict):
    """By cell and seed, each made when it is asked for."""
    def __missing__(self, model):
        self[model] = make_model(*model)
        return self[model]


@pytest.fixture(scope='module')
def models():
    return Models()


@pytest.fixture(scope='module')
def tasks():
    """Two mini-batches (T, n), the first shorter by a step, and the state before: of each model the same, but C."""
    rng = np.random.RandomState(0)
    return {cell: {'first': rng.randint(len(VOCABULARY), size=(T - 1, N)),
                   'second': rng.randint(len(VOCABULARY), size=(T, N)),
                   **{name: rng.uniform(-1, 1, size=(1, N, H)).astype('float32')
                      for name in ('HC' if cell == 'lstm' else 'H')}} for cell in CELLS}


def computed_elsewhere(test):
    """All in one process, since it takes half a minute, once."""
    return pytest.mark.slow(pytest.mark.xdist_group('elsewhere')(test))


@pytest.fixture(scope='module')
def answers(models, tasks, tmp_path_factory):
    """A folder for each model, with what PyTorch, ONNX Runtime and the programs of the page make of it."""
    if not ELSEWHERE.exists():
        pytest.skip(f'{ELSEWHERE.parents[1]} is not there: with Python 3.10 or later, `make elsewhere` makes it')
    folder = tmp_path_factory.mktemp('models')
    for cell, seed in MODELS:
        model = models[cell, seed]
        case = folder / f'{cell} {seed}'
        case.mkdir()
        save_checkpoint(case / 'songs.safetensors', model)
        model = load_checkpoint(case / 'songs.safetensors')
        np.savez(case / 'task.npz', **tasks[cell])
        to_onnx(model, case / 'songs.onnx')
        programs = {'onnx': PROGRAMS['onnx']}
        if cell == 'gru':
            programs['gru'] = PROGRAMS['gru']
        else:
            to_pytorch(model, case / 'songs-pytorch.safetensors')
            programs['pytorch'] = PROGRAMS['pytorch'].replace(LAYERS['rnn'], LAYERS[cell])
        for name, program in programs.items():
            (case / f'{name}-song.py').write_text(program, 'utf-8')
    result = subprocess.run([ELSEWHERE, ROOT / 'tests/elsewhere.py', folder], capture_output=True, encoding='utf-8')
    assert result.returncode == 0, result.stderr
    return folder


def expected(model, task):
    """The same by the cells of the package, on MXNet."""
    states, found = tuple(nd.array(task[name][0]) for name in 'HC' if name in task), {}
    for name in ['first', 'second']:
        outputs, states = CELLS[model.cell].rnn(d2l.to_onehot(nd.array(task[name].T), len(VOCABULARY)), states,
                                                model.params)
        found[name] = np.stack([Y.asnumpy() for Y in outputs])
    return {**found, **{name: state.asnumpy()[np.newaxis] for name, state in zip('HC', states)}}


def softmax(Y):
    e = np.exp(Y.astype('float64') - Y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# Computed elsewhere

@computed_elsewhere
@pytest.mark.parametrize('framework', ['pytorch', 'onnx'])
@pytest.mark.parametrize('cell, seed', MODELS)
def test_the_same_probabilities_and_the_same_state(answers, models, tasks, cell, seed, framework):
    if (cell, framework) == ('gru', 'pytorch'):
        assert not (answers / f'{cell} {seed}' / 'pytorch.npz').exists()
        return
    ours = expected(models[cell, seed], tasks[cell])
    with np.load(answers / f'{cell} {seed}' / f'{framework}.npz') as file:
        theirs = dict(file)
    assert theirs.keys() == ours.keys() == {'first', 'second', 'H', *(['C'] if cell == 'lstm' else [])}
    for name in ['first', 'second']:
        assert theirs[name].shape == (len(tasks[cell][name]), N, len(VOCABULARY))
        np.testing.assert_allclose(softmax(theirs[name]), softmax(ours[name]), rtol=0, atol=1e-5)
    for name in ours.keys() - {'first', 'second'}:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-5, atol=1e-5)


@computed_elsewhere
@pytest.mark.parametrize('cell, seed', MODELS)
def test_the_programs_of_the_page_write_the_same_song(answers, models, cell, seed):
    song = models[cell, seed].predict('分开', 50)
    printed = {path.stem: path.read_bytes().decode() for path in (answers / f'{cell} {seed}').glob('*-song.txt')}
    assert printed == {f'{name}-song': song + '\n' for name in ['onnx', 'gru' if cell == 'gru' else 'pytorch']}


@computed_elsewhere
def test_the_songs_differ(models):
    """Else the test before would compare little."""
    songs = {models[model].predict('分开', 50) for model in MODELS}
    assert len(songs) > 9 and min(len(set(song)) for song in songs) >= 4


def test_the_page_has_the_layer_of_each_cell(models):
    for cell, layer in LAYERS.items():
        sizes = f'({len(VOCABULARY)}, {H}'
        assert 'torch.' + layer_for(models[cell, 1]) == layer.replace('(V, h', sizes)
    assert list(LAYERS) == ['rnn', 'relu', 'lstm'] and LAYERS['rnn'] in PROGRAMS['pytorch']
    assert len(PROGRAMS) == 3


# What the files hold

@pytest.fixture
def model():
    return make_model('rnn', 1)


def arrays_of(model):
    return {symbol: param.asnumpy() for symbol, param in zip(model.symbols, model.params)}


@pytest.mark.parametrize('cell', ['rnn', 'relu', 'lstm'])
def test_the_file_for_pytorch(models, tmp_path, cell):
    """Names, shapes and order of gates (input, forget, candidate, output) as PyTorch documents them."""
    model = models[cell, 1]
    to_pytorch(model, tmp_path / 'new' / 'songs.safetensors')
    with safetensors.safe_open(tmp_path / 'new' / 'songs.safetensors', 'numpy') as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
        metadata = file.metadata()
    p, V, gates = arrays_of(model), len(VOCABULARY), 'ifco' if cell == 'lstm' else 'h'
    assert {name: (array.dtype, array.shape) for name, array in found.items()} == {
        'rnn.weight_ih_l0': ('float32', (len(gates) * H, V)), 'rnn.weight_hh_l0': ('float32', (len(gates) * H, H)),
        'rnn.bias_ih_l0': ('float32', (len(gates) * H,)), 'rnn.bias_hh_l0': ('float32', (len(gates) * H,)),
        'linear.weight': ('float32', (V, H)), 'linear.bias': ('float32', (V,))}
    for i, gate in enumerate(gates):
        rows = slice(i * H, (i + 1) * H)
        np.testing.assert_array_equal(found['rnn.weight_ih_l0'][rows], p[f'W_x{gate}'].T)
        np.testing.assert_array_equal(found['rnn.weight_hh_l0'][rows], p[f'W_h{gate}'].T)
        np.testing.assert_array_equal(found['rnn.bias_ih_l0'][rows], p[f'b_{gate}'])
    assert not found['rnn.bias_hh_l0'].any()
    np.testing.assert_array_equal(found['linear.weight'], p['W_hq'].T)
    np.testing.assert_array_equal(found['linear.bias'], p['b_q'])
    layer = {'rnn': f'nn.RNN({V}, {H})', 'relu': f"nn.RNN({V}, {H}, nonlinearity='relu')", 'lstm': f'nn.LSTM({V}, {H})'}
    assert json.loads(metadata.pop('rnn_scratch')) == {
        'format': 'rnn_scratch export for PyTorch', 'cell': cell, 'num_hiddens': 16, 'layer': layer[cell],
        'idx_to_char': VOCABULARY}
    assert metadata == {}


@pytest.mark.parametrize('cell', CELLS)
def test_the_onnx_file(models, tmp_path, cell):
    """Sound by ONNX's own checker; names, types, shapes, version, attributes and metadata."""
    to_onnx(models[cell, 1], tmp_path / 'new' / 'songs.onnx')
    model = onnx.load(tmp_path / 'new' / 'songs.onnx')
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [(domain.domain, domain.version) for domain in model.opset_import]) == (8, [('', 17)])
    V, FLOAT, INT64 = len(VOCABULARY), onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    states = ['H', 'C'] if cell == 'lstm' else ['H']

    def signature(values):
        return [(value.name, value.type.tensor_type.elem_type,
                 [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]) for value in values]

    assert signature(model.graph.input) == [('X', INT64, ['T', 'n']), *((s, FLOAT, [1, 'n', H]) for s in states)]
    assert signature(model.graph.output) == [('Y', FLOAT, ['T', 'n', V]),
                                             *((f'{s}_out', FLOAT, [1, 'n', H]) for s in states)]
    layer, = (node for node in model.graph.node if node.op_type in ('RNN', 'GRU', 'LSTM'))
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in layer.attribute}
    assert (layer.op_type, attributes) == {
        'rnn': ('RNN', {'hidden_size': H, 'activations': [b'Tanh']}),
        'relu': ('RNN', {'hidden_size': H, 'activations': [b'Relu']}),
        'gru': ('GRU', {'hidden_size': H, 'linear_before_reset': 0}),
        'lstm': ('LSTM', {'hidden_size': H})}[cell]
    found = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
    p = arrays_of(models[cell, 1])
    for name, symbol in [('W_hq', 'W_hq'), ('b_q', 'b_q')]:
        np.testing.assert_array_equal(found[name], p[symbol])
    for i, gate in enumerate({'gru': 'zrh', 'lstm': 'iofc'}.get(cell, 'h')):
        np.testing.assert_array_equal(found['W'][0, i * H:(i + 1) * H], p[f'W_x{gate}'].T)
    metadata, = model.metadata_props
    assert metadata.key == 'rnn_scratch'
    assert json.loads(metadata.value) == {'cell': cell, 'num_hiddens': 16, 'idx_to_char': VOCABULARY}


def test_an_exported_model_is_not_taken_for_a_checkpoint(model, tmp_path, program):
    """Both kinds of file have the same ending, and may lie in one folder."""
    save_checkpoint(tmp_path / 'runs/1/songs.safetensors', model)
    to_pytorch(model, tmp_path / 'runs/1/exported.safetensors')
    os.utime(tmp_path / 'runs/1/songs.safetensors', (1, 1))
    assert 'runs/1/songs.safetensors: Checkpoint' in program('show').stderr
    with pytest.raises(ValueError, match=r'was exported for PyTorch\): give the checkpoint that it was made from'):
        load_checkpoint(tmp_path / 'runs/1/exported.safetensors')
    (tmp_path / 'runs/1/broken.safetensors').write_bytes(b'')
    assert 'runs/1/broken.safetensors is not a checkpoint of rnn_scratch, or it is damaged' in program('show').stderr


def test_the_same_model_gives_the_same_bytes(model, tmp_path):
    for export, suffix in [(to_onnx, 'onnx'), (to_pytorch, 'safetensors')]:
        for name in 'ab':
            export(model, tmp_path / f'{name}.{suffix}')
        assert (tmp_path / f'a.{suffix}').read_bytes() == (tmp_path / f'b.{suffix}').read_bytes()


# What is refused

EXPORTS = pytest.mark.parametrize('export, name', [(to_onnx, 'songs.onnx'), (to_pytorch, 'songs.safetensors')])


def test_pytorch_has_another_gru(models, tmp_path):
    with pytest.raises(ValueError, match="GRU is not the GRU of PyTorch.*export it to ONNX.*docs/leaving-mxnet.md"):
        to_pytorch(models['gru', 1], tmp_path / 'new' / 'songs.safetensors')
    assert os.listdir(tmp_path) == []


@EXPORTS
def test_what_cannot_be_exported_is_refused(model, tmp_path, export, name):
    def refused(path, message, **changes):
        with pytest.raises(ValueError, match=message):
            export(dataclasses.replace(model, **changes), path)
        assert os.listdir(tmp_path) == []

    path = tmp_path / 'new' / name
    refused(path.with_suffix('.pt'), rf'must end in {path.suffix}, and .*songs.pt')
    refused(path, r"'mine' of this checkpoint is not one of \[.*'lstm'.*write your cell again there", cell='mine')
    refused(path, r"b_q must be float32, .*astype\('float32'\), .* not float64 of shape",
            params=[*model.params[:-1], model.params[-1].astype('float64')])
    refused(path, r'W_xh must be .* 7 hidden units', num_hiddens=7)
    refused(path, "symbols .* for the cell 'lstm'", cell='lstm')
    refused(path, 'W_hh holds numbers that are not finite',
            params=[param * math.nan if i == 1 else param for i, param in enumerate(model.params)])


@EXPORTS
def test_no_file_is_overwritten(model, tmp_path, monkeypatch, export, name):
    """Neither one that was there, nor one that comes in the meantime."""
    path = tmp_path / name
    path.write_text('mine')
    with pytest.raises(FileExistsError, match=rf'There is a file at .*{name} already: choose another name'):
        export(model, path)
    path.unlink()
    for disk in ['hard links', 'no hard links']:
        def meanwhile(source, target, disk=disk):
            path.write_text('mine')
            raise FileExistsError(17, 'File exists') if disk == 'hard links' else PermissionError(1, 'Not permitted')

        monkeypatch.setattr(os, 'link', meanwhile)
        with pytest.raises(FileExistsError, match='already: choose another name'):
            export(model, path)
        assert path.read_text() == 'mine' and os.listdir(tmp_path) == [name]
        path.unlink()


@EXPORTS
@pytest.mark.parametrize('breakage', ['fsync', 'link and replace'])
def test_a_file_is_written_whole_or_not_at_all(model, tmp_path, monkeypatch, export, name, breakage):
    def fail(*_):
        raise OSError(28, 'No space left on device')

    for function in breakage.split(' and '):
        monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match=rf'cannot be written to .*{name} \(No space left on device\): choose another'):
        export(model, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_place_that_no_file_can_have(model, tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(NotADirectoryError, match='file is not a folder: choose another name'):
        to_onnx(model, tmp_path / 'file' / 'songs.onnx')


def test_without_onnx_it_is_named(model, tmp_path, monkeypatch):
    """And the export to PyTorch does not need it."""
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ModuleNotFoundError, match='needs the package onnx.* run: python -m pip install onnx'):
        to_onnx(model, tmp_path / 'songs.onnx')
    to_pytorch(model, tmp_path / 'songs.safetensors')
    assert os.listdir(tmp_path) == ['songs.safetensors']


# The command

def test_the_command(program, tmp_path, models, monkeypatch):
    save_checkpoint(tmp_path / 'runs/1/relu.safetensors', models['relu', 1])
    save_checkpoint(tmp_path / 'gru.safetensors', models['gru', 1])
    to_onnx(models['gru', 1], tmp_path / 'expected.onnx')
    to_pytorch(models['relu', 1], tmp_path / 'expected.safetensors')
    result = program('export', 'gru.safetensors', '--to', 'onnx', '--out', 'there/songs.onnx')
    assert (result.returncode, result.stdout) == (0, 'saved to there/songs.onnx\n'), result.stderr
    assert (tmp_path / 'there/songs.onnx').read_bytes() == (tmp_path / 'expected.onnx').read_bytes()
    result = program('export', '--to', 'pytorch', '--out', 'songs.safetensors')         # the newest one under runs/
    assert (result.returncode, result.stdout) == (
        0, f"saved to songs.safetensors: weights for rnn = nn.RNN({len(VOCABULARY)}, 16, nonlinearity='relu') and "
           f'linear = nn.Linear(16, {len(VOCABULARY)})\n'), result.stderr
    assert (tmp_path / 'songs.safetensors').read_bytes() == (tmp_path / 'expected.safetensors').read_bytes()

    def refused(message, *flags, code=1):
        before = sorted(tmp_path.rglob('*'))
        result = program('export', *flags)
        assert (result.returncode, result.stdout) == (code, '')
        assert message in result.stderr.splitlines()[-1] and 'Traceback' not in result.stderr
        assert sorted(tmp_path.rglob('*')) == before

    refused('is not the GRU of PyTorch', 'gru.safetensors', '--to', 'pytorch', '--out', 'gru-pytorch.safetensors')
    refused('There is a file at gru.safetensors already', 'gru.safetensors', '--to', 'pytorch', '--out',
            'gru.safetensors')
    refused('must end in .onnx', '--to', 'onnx', '--out', 'songs.pb')
    refused('nowhere.safetensors does not exist', 'nowhere.safetensors', '--to', 'onnx', '--out', 'a.onnx')
    refused('required: --to, --out', code=2)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    refused('needs the package onnx', '--to', 'onnx', '--out', 'a.onnx')
