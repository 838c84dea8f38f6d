"""The benchmarks: every peer that runs beside MXNet computes the same, and only the tables of a page change."""
import os
import re
import stat
from importlib.metadata import version

import numpy as np
import pytest
from conftest import ROOT


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    monkeypatch.setenv('MXNET_CPU_PARALLEL_SIZE', '1')      # book.py sets it: back to what it was, afterwards


@pytest.fixture
def check(tmp_path):
    """A function: what a peer computes in a small task, by the check that comes before every measurement."""
    import task
    import worker
    vocabulary = list('一二三四五六七八九十')
    corpus = np.random.RandomState(1).randint(len(vocabulary), size=500)
    task.save(tmp_path, corpus, vocabulary, T=5, h=8)

    def compute(make_peer):
        small = task.load(tmp_path)
        worker.check(make_peer(small), small.X, small.labels, '一二', tmp_path / 'check.npz')
        with np.load(tmp_path / 'check.npz') as found:
            return dict(found)

    return compute


@pytest.mark.filterwarnings('ignore:`np.bool` is a deprecated:DeprecationWarning')
def test_peers_compute_the_same(check):
    import book
    import numpy_alone
    import ours
    import run
    expected = check(ours.Tutorial)
    for peer, names in [(book.D2lzh, 12), (book.Gluon, 7), (ours.Fused, 12), (numpy_alone.Peer, 12)]:
        found = check(peer)
        assert len(found) == names      # loss, gradients, parameters, text: gluon lacks five of them
        run.compare(peer.__name__, found, 'Tutorial', expected)
    assert check(ours.Songs)['text'] == '\n'.join([str(expected['text'])] * 3)


def test_a_peer_that_computes_something_else_is_refused(check):
    import ours
    import run
    expected = check(ours.Tutorial)
    for name in expected:
        other = '一二三' if name == 'text' else expected[name] * (1 + 2e-5)
        with pytest.raises(SystemExit, match=f'peer does not compute what Tutorial computes; the {name}: '):
            run.compare('peer', {**expected, name: other}, 'Tutorial', expected)
        if name.endswith('after a step'):
            run.compare('peer', {**expected, name: other}, 'Tutorial', expected, after_step=1e-4)


def marks(page):
    """The names of the places that the programs fill."""
    return re.findall(r'^<!-- ([^/]+) -->$', page, re.MULTILINE)


def test_only_what_stands_between_the_marks_changes(tmp_path):
    import report
    page = (ROOT / 'docs/speed.md').read_text('utf-8')
    blocks = marks(page)
    copy = tmp_path / 'speed.md'
    copy.write_text(page, 'utf-8')
    report.fill(copy, {block: f'table of {block}' for block in blocks})
    pieces = copy.read_text('utf-8')
    for block in blocks:
        pieces = pieces.replace(f'<!-- {block} -->\n\ntable of {block}\n\n<!-- /{block} -->', '@')
    prose = pieces.split('@')
    assert len(prose) == len(blocks) + 1 and all(piece in page for piece in prose)
    with pytest.raises(SystemExit, match='has no marks <!-- colour -->'):
        report.fill(copy, {'colour': ''})


def test_the_tables_have_the_ratios_of_the_rounds():
    import report
    # Ratios within the rounds: 2/1, 2/2, 9/3. Their median is 2; the quotient of the medians is 1.
    slow, quick = [2.0, 2.0, 9.0], [1.0, 2.0, 3.0]
    seconds = {report.D2LZH: slow, f'{report.FLOOR}, NumPy': quick}
    tables = report.bench_tables({(kind, is_set): seconds for kind in ['epoch', 'character']
                                  for is_set in [True, False]}, operations=2e9)
    cells = [[cell.strip() for cell in row.split('|')[1:-1]] for row in tables['training'].splitlines()]
    assert cells[2] == [report.D2LZH, '2.000', '2.000 – 9.000', '1.00', '2.00']
    assert tables['floor'].endswith('2.0 GFLOP an epoch, 1 GFLOP/s.')
    assert sorted(marks((ROOT / 'docs/speed.md').read_text('utf-8'))) == sorted(
        ['run', 'settings', 'sizes', 'sizes-run', 'songs', *tables])


def test_the_table_of_sizes_compares_with_the_best_of_pytorch():
    import sizes

    def found(seconds, busy):
        return [{'seconds': second, 'busy': busy, 'megabytes': 300.4} for second in seconds]

    # An epoch of two steps. Medians: 0.04 s is 20 ms a step, PyTorch's best is 10 ms; of the processors 60 and 40 ms.
    unset = {'fused engine': found([0.04, 9, 0.02], 0.12), 'PyTorch, a': found([0.02, 0.02, 0.02], 0.1),
             'PyTorch, b': found([0.03, 0.03, 0.03], 0.08)}
    case = ('V = 2', 2, 3, 4, 5, 2)
    table = list(sizes.rows(case, unset, {**unset, 'fused engine': found([0.01], 1)}))
    assert table[0] == ['V = 2', 'fused engine', '20.0', '2.00', '60.0', '1.50', '5.0', '300']
    assert [row[3] for row in table[1:]] == ['1.00', '1.50'] and [row[5] for row in table[1:]] == ['1.25', '1.00']


@pytest.mark.slow
def test_sizes_are_measured(monkeypatch, tmp_path):
    import run
    import sizes
    monkeypatch.setattr(sizes, 'PEERS', [run.FUSED, run.TUTORIAL])
    answers, versions = sizes.measure(('small', 50, 8, 5, 4, 3), False, 2, str(tmp_path))
    assert [len(found) for found in answers.values()] == [2, 2]
    assert versions == {f'MXNet {version("mxnet")} with NumPy {version("numpy")}'}
    assert all(answer['seconds'] > 0 and answer['busy'] > 0 and 50 < answer['megabytes'] < 2000
               for found in answers.values() for answer in found)


def test_the_table_of_songs_has_characters_a_second():
    import songs
    # Ratios within the rounds: 8/2, 8/4, 10/1. Their median is 4.
    table = songs.songs_table({('peer', 200): [0.0002, 0.0004, 0.0001], ('peer', 1): [0.0008, 0.0008, 0.001]})
    cells = [[cell.strip() for cell in row.split('|')[1:-1]] for row in table.splitlines()]
    assert cells[2] == ['peer', '5,000', '2,500 – 10,000', '1,250', '4.00']


def test_a_page_says_that_its_figures_are_spoilt():
    import report
    assert 'these figures are spoilt' in report.about({'MXNet'}, 2, 5, others=0.11, seconds=60)
    assert 'spoilt' not in report.about({'MXNet'}, 2, 5, others=0.09, seconds=60)


@pytest.mark.slow
def test_operators_of_a_step(monkeypatch, capsys):
    """A step has 35 time steps: a tanh for each; 35 products on the way there, and one for b_h in all rows."""
    import operators
    monkeypatch.setattr(operators, 'EPOCHS', 1)
    operators.main(operators.fused)
    printed = capsys.readouterr().out
    assert re.search(r'ms +35\.0 × Activation$', printed, re.MULTILINE)
    assert re.search(r'ms +36\.0 × _linalg_gemm$', printed, re.MULTILINE)


def test_the_profiler_leaves_the_devices_of_the_machine_alone(run, tmp_path):
    """MXNet's profiler deletes the file that it is to write. As root that was /dev/null, for all other programs."""
    before = os.stat(os.devnull)
    result = run('-c', f'import sys; sys.path.insert(0, {str(ROOT / "benchmarks")!r}); import operators\n'
                       'operators.EPOCHS = 1; operators.main(operators.fused)')
    assert result.returncode == 0, result.stderr
    after = os.stat(os.devnull)
    assert stat.S_ISCHR(after.st_mode) and (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)
    assert os.listdir(tmp_path) == []


def test_the_check_of_a_gpu_runs_here(monkeypatch, capsys):
    """On two CPUs in place of two GPUs; and an engine that computes something else there is found."""
    import gpu

    def check():
        with pytest.raises(SystemExit) as end:
            gpu.main(is_cpu=True)
        return end.value.code, capsys.readouterr().out

    code, printed = check()
    assert code == 0 and printed.count('as on the CPU') == 9 and printed.count(' s an epoch') == 6
    right = gpu.fused.gradients_of_checked

    def wrong(X, Y, state, params):
        loss, state, grads = right(X, Y, state, params)
        return loss, state, [*grads[:4], grads[4] * (1 + 1e-3 * X.context.device_id)]

    monkeypatch.setattr(gpu.fused, 'gradients_of_checked', wrong)
    code, printed = check()
    assert code == 1 and 'fused: gradients: DIFFERENT' in printed and 'tutorial: gradients: as on' in printed


def test_without_a_gpu_the_check_of_one_says_so(monkeypatch):
    import gpu
    monkeypatch.setattr(gpu.mx.context, 'num_gpus', lambda: 0)
    with pytest.raises(SystemExit, match='MXNet finds no GPU here: run this on a machine that has one'):
        gpu.main(is_cpu=False)
