"""The house: which file may import which, what is looked up nowhere, and the names that come through from d2lzh."""
import ast
import functools
import inspect
import random
import re

import rnn_scratch as d2l
from rnn_scratch.beyond import fused

import d2lzh
import mxnet as mx
import pytest
from conftest import ROOT
from mxnet import gluon

# The table of contents: chapter, beyond, cli. A file imports only those above it.
CHAPTER = ['_roles', '_platform', '_doctor', '_checks', '_own_cell', '_files', 'data', 'onehot', 'params', 'model',
           'predict', 'clipping', 'perplexity', 'training']
BEYOND = ['files', 'fused', 'cells', 'sampling', 'evaluation', 'checkpoint', 'settings', 'corpus', 'stop', 'folders',
          'run', 'pictures', 'export', 'page', 'download', 'member', 'parallel', 'launch']
CLI = ['flags', 'shell', 'train', 'write', 'look', 'take']
PACKAGE = ROOT / 'rnn_scratch'
FILES = [*(f'{name}.py' for name in CHAPTER), *(f'beyond/{name}.py' for name in BEYOND),
         *(f'cli/{name}.py' for name in CLI)]
# What other files take of _checks.py: words that all refusals share, and facts.
SHARED = {'show', 'must_be', 'number', 'learning_rate', 'theta', 'text', 'whole', 'picked', 'device',
          'sizes', 'finite', 'cell', 'state_like', 'fit', 'gradients', 'parameters', 'to_train', 'model', 'vocabulary',
          'prefixes', 'corpus', 'settings'}
FACTS = {'show', 'is_arrays', 'shape_of', 'RNN', 'LONGEST_TEXT'}


def tree(name):
    return ast.parse((PACKAGE / name).read_text('utf-8'))


def imports_of(name):
    """The files of this package that a file imports, wherever in it, as `beyond/run.py`; and the other modules."""
    ours, others, folder = set(), set(), list((PACKAGE / name).relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            others |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            others.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = [*folder[:len(folder) - node.level + 1], *(node.module or '').split('.')]
            path = '/'.join(filter(None, base))
            paths = [path, *('/'.join(filter(None, [path, alias.name])) for alias in node.names)]
            ours |= {f'{path}.py' for path in paths} & {*FILES}
    return ours, others


def is_of_checks(node):
    """Whether it is `_checks.something`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == '_checks'


def test_the_listing_is_the_table_of_contents():
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob('*.py')}
    assert found == {*FILES, '__init__.py', '__main__.py', 'beyond/__init__.py', 'cli/__init__.py'}


@pytest.mark.parametrize('name', FILES)
def test_a_file_imports_only_files_above_it(name):
    ours, others = imports_of(name)
    assert ours <= set(FILES[:FILES.index(name)])
    assert not any(module.startswith('rnn_scratch.') for module in others)
    assert name != '_checks.py' or ours <= {'_platform.py'}      # what this machine has


def test_the_package_itself_imports_nothing_from_beyond():
    ours, others = imports_of('__init__.py')
    assert ours <= {f'{name}.py' for name in CHAPTER} and others == {'d2lzh', 'sys'}


def test_files_are_short():
    """One subject a file."""
    lengths = {path.relative_to(PACKAGE).as_posix(): len(path.read_text('utf-8').splitlines())
               for path in PACKAGE.rglob('*.py')}
    # The house has 5,000 lines; page.py, with its command, came after it. Then came texts of any kind (encodings by
    # name, lines that are kept), of any size (a long epoch that is stopped and goes on, held-out text in rows, a model
    # that goes on with another text), and a sentence for what a cell of one's own does wrong. Then came
    # songs by the hundred, and a mini-batch in parts for several cores.
    assert max(lengths.values()) <= 440 and lengths['_checks.py'] <= 220 and sum(lengths.values()) <= 5493, lengths


def test_the_checks_know_no_other_room():
    text = (PACKAGE / '_checks.py').read_text('utf-8').lower()
    assert not re.search('--[a-z]|safetensors|checkpoint|onnx|dmlc|picture', text)


def test_a_check_wraps_nothing_and_gives_nothing_back():
    """No function is made in one, and what it returns is never used: a check is a statement."""
    for function in ast.walk(tree('_checks.py')):
        if isinstance(function, ast.FunctionDef):
            assert not any(isinstance(node, ast.FunctionDef) for node in ast.walk(function) if node is not function)
    for name in FILES:
        nodes = [*ast.walk(tree(name))]
        statements = [node.value for node in nodes if isinstance(node, ast.Expr)]
        for node in nodes:
            if is_of_checks(node):
                assert node.attr in SHARED | FACTS, f'{name}, line {node.lineno}: {node.attr}'
            elif isinstance(node, ast.Call) and is_of_checks(node.func):
                assert node in statements or node.func.attr in FACTS, f'{name}, line {node.lineno}: {node.func.attr}'
            elif isinstance(node, ast.ImportFrom) and node.module == '_checks':
                assert {alias.name for alias in node.names} <= FACTS, name


@pytest.mark.parametrize('engine', [d2l, fused], ids=['tutorial', 'fused'])
def test_the_loop_calls_what_it_was_given(corpus, engine):
    """And when it fails, its own line is the last in the traceback but for MXNet's: no check stands between."""
    rnn, params, init_rnn_state, h, vocab_size, ctx, idx_to_char, char_to_idx = model(corpus)
    callers = []

    def watched(name, function):
        def given(*arguments):
            frame = inspect.currentframe().f_back
            callers.append(frame.f_code.co_name)
            assert frame.f_locals[name] is given
            return function(*arguments)
        return given

    def broken(inputs, state, params):
        return mx.nd.dot(params[0], params[0]), state

    cell = watched('rnn', rnn) if engine is d2l else rnn
    state, pick = watched('init_rnn_state', init_rnn_state), watched('pick', lambda Y: Y.argmax(axis=1))
    engine.train_epoch(cell, params, state, h, vocab_size, ctx, corpus[0][:401], True, 10, 1, 1, 4)
    engine.predict_rnn('分开', 2, cell, params, state, h, vocab_size, ctx, idx_to_char, char_to_idx, pick=pick)
    assert set(callers) == {'train_epoch', 'predict_rnn' if engine is d2l else 'predict_many'}
    if engine is d2l:
        with pytest.raises(mx.MXNetError) as raised:
            d2l.train_epoch(broken, params, init_rnn_state, h, vocab_size, ctx, corpus[0][:401], True, 10, 1, 1, 4)
        names = [frame.name for frame in raised.traceback]
        assert names[names.index('train_epoch') + 1] == 'broken'
        assert not any('_checks' in str(frame.path) for frame in raised.traceback)


def test_no_attribute_is_looked_up_by_its_name():
    """But for d2lzh's names, which come through `rnn_scratch`."""
    found = [f'{path.name}: {line.strip()}' for path in sorted((ROOT / 'rnn_scratch').rglob('*.py'))
             for line in path.read_text('utf-8').splitlines() if re.search(r'\b(getattr|hasattr)\(', line)]
    assert found == ['__init__.py: return getattr(d2lzh, name)']


def model(corpus, h=8):
    _, char_to_idx, idx_to_char, vocab_size = corpus
    mx.random.seed(1)
    return (d2l.rnn, d2l.get_params(vocab_size, h, vocab_size, mx.cpu()), d2l.init_rnn_state, h, vocab_size, mx.cpu(),
            idx_to_char, char_to_idx)


def counted(function):
    """A wrapper that looks like what it wraps, to the last attribute."""
    @functools.wraps(function)
    def wrapper(*arguments, **keywords):
        wrapper.calls += 1
        return function(*arguments, **keywords)
    wrapper.calls = 0
    return wrapper


@pytest.mark.parametrize('engine', [d2l, fused], ids=['tutorial', 'fused'])
def test_a_wrapper_around_an_epoch_or_a_prediction_is_called(corpus, engine, capsys):
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    rnn, params, init_rnn_state, h, vocab_size, ctx, *_ = model(corpus)
    train_epoch, predict_rnn = counted(engine.train_epoch), counted(engine.predict_rnn)
    trained = engine.train_and_predict_rnn(
        rnn, lambda: params, counted(init_rnn_state), h, vocab_size, ctx, corpus_indices[:500], idx_to_char,
        char_to_idx, True, 4, 10, 1, 1, 4, 2, 3, ['分开', '雨'], train_epoch=train_epoch, predict_rnn=predict_rnn)
    assert (train_epoch.calls, predict_rnn.calls, len(trained.perplexities)) == (4, 4, 4)
    assert capsys.readouterr().out.count('\n') == 6


def test_a_wrapper_around_the_cell_is_called(corpus):
    """In training, once a mini-batch; in prediction, once a character."""
    rnn, params, init_rnn_state, h, vocab_size, ctx, idx_to_char, char_to_idx = model(corpus)
    for wrapped in [counted(rnn), counted(counted(rnn))]:
        d2l.train_epoch(wrapped, params, init_rnn_state, h, vocab_size, ctx, corpus[0][:401], True, 10, 1, 1, 4)
        assert wrapped.calls == 10
        d2l.predict_rnn('不分开', 5, wrapped, params, init_rnn_state, h, vocab_size, ctx, idx_to_char, char_to_idx)
        assert wrapped.calls == 10 + 7


def test_the_fused_engine_refuses_another_cell(corpus):
    """A wrapper is another cell: the engine would have to pass it by."""
    rnn, params, init_rnn_state, h, vocab_size, ctx, idx_to_char, char_to_idx = model(corpus)
    for other in [counted(rnn), lambda inputs, state, params: rnn(inputs, state, params)]:
        with pytest.raises(ValueError, match="chapter's cell"):
            fused.train_epoch(other, params, init_rnn_state, h, vocab_size, ctx, corpus[0][:401], True, 10, 1, 1, 4)
        with pytest.raises(ValueError, match="chapter's cell"):
            fused.predict_rnn('分开', 1, other, params, init_rnn_state, h, vocab_size, ctx, idx_to_char, char_to_idx)
        with pytest.raises(ValueError, match="chapter's cell"):
            fused.losses(other, mx.nd.array([[1]]), mx.nd.array([[2]]), init_rnn_state(1, h, ctx), params, vocab_size)


def test_every_name_of_d2lzh_comes_through():
    names = {name for name in dir(d2lzh) if not name.startswith('_')}
    assert names <= set(dir(d2l))
    ours = {'load_data_jay_lyrics', 'to_onehot', 'predict_rnn', 'grad_clipping', 'train_and_predict_rnn'}
    for name in names - ours:
        assert getattr(d2l, name) is getattr(d2lzh, name), name
    for name in ours:
        assert getattr(d2l, name).__module__.startswith('rnn_scratch.')
    with pytest.raises(AttributeError, match='no_such_name'):
        d2l.no_such_name  # noqa: B018
    namespace = {}
    exec('from rnn_scratch import *', namespace)
    assert namespace['try_gpu'] is d2lzh.try_gpu and namespace['train_epoch'] is d2l.train_epoch


def test_matplotlib_waits_until_it_is_asked_for(run):
    """d2lzh loads it, and IPython, in half a second: not before one of d2lzh's names is used."""
    result = run('-c', 'import sys, rnn_scratch; print([name for name in ("d2lzh", "matplotlib", "IPython") '
                       'if name in sys.modules]); rnn_scratch.plt.figure; print("matplotlib" in sys.modules)')
    assert result.stdout == '[]\nTrue\n', result.stderr


@pytest.mark.parametrize('layer', [gluon.rnn.RNN, gluon.rnn.GRU, gluon.rnn.LSTM], ids=['RNN', 'GRU', 'LSTM'])
def test_the_gluon_halves_of_the_chapters_run(corpus, layer, capsys):
    """6.5, 6.7 and 6.8: RNNModel, train_and_predict_rnn_gluon and predict_rnn_gluon, on our corpus."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=600)
    ctx, num_hiddens = d2l.try_gpu(), 12
    random.seed(2)
    mx.random.seed(2)
    net = d2l.RNNModel(layer(num_hiddens), vocab_size)
    net.initialize(ctx=ctx, force_reinit=True)
    song = d2l.predict_rnn_gluon('分开', 5, net, vocab_size, ctx, idx_to_char, char_to_idx)
    assert len(song) == 7 and song.startswith('分开')
    d2l.train_and_predict_rnn_gluon(net, num_hiddens, vocab_size, ctx, corpus_indices, idx_to_char, char_to_idx, 3, 10,
                                    1e1, 1e-2, 8, 1, 5, ['分开', '不分开'])
    printed = capsys.readouterr().out
    perplexities = [float(number) for number in re.findall(r'perplexity (\S+),', printed)]
    assert len(perplexities) == 3 and perplexities[2] < perplexities[0] < 1.2 * vocab_size
    assert len(re.findall(r'^ - (分开|不分开).{5}$', printed, re.MULTILINE)) == 6
