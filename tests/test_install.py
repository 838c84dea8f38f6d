"""The wheel in an environment of its own, and the guard of setup.py."""
import shutil
import subprocess
import sys
import sysconfig

import pytest
from conftest import ROOT


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Built from a copy of the sources, so that nothing is left in the checkout and nothing old gets in."""
    sources, out = tmp_path_factory.mktemp('sources'), tmp_path_factory.mktemp('wheel')
    for name in ['rnn_scratch', 'data']:
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ['setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE']:
        shutil.copy(ROOT / name, sources)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '--no-index',
                    '--wheel-dir', out, sources], check=True)
    path, = out.glob('rnn_scratch-*.whl')
    return path


def test_the_wheel_works_with_no_checkout_in_sight(wheel, tmp_path):
    """A fresh environment has the wheel, and sees the dependencies (there is no network in a test) after its own."""
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'env'], check=True)
    python = tmp_path / 'env/bin/python'
    subprocess.run([python, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index', wheel], check=True)
    site_packages, = (tmp_path / 'env/lib').glob('python*/site-packages')
    dependencies = sysconfig.get_paths()['purelib']
    (site_packages / 'dependencies.pth').write_text(f'import site; site.addsitedir({dependencies!r})\n')
    program = '''if True:
        import rnn_scratch as d2l
        import mxnet as mx
        corpus_indices, _, _, vocab_size = d2l.load_data_jay_lyrics()
        params = d2l.get_params(vocab_size, 8, vocab_size, mx.cpu())
        d2l.train_epoch(d2l.rnn, params, d2l.init_rnn_state, 8, vocab_size, mx.cpu(), corpus_indices, True, 35, 1, 1,
                        32)
        print(vocab_size, d2l.__file__, sep='\\n')
    '''
    (tmp_path / 'elsewhere').mkdir()
    result = subprocess.run([python, '-c', program], cwd=tmp_path / 'elsewhere', capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ['1027', str(site_packages / 'rnn_scratch/__init__.py')]


def test_the_import_works_beside_the_checkout(run, tmp_path):
    """In the folder that holds the clone, whose name is the package's, Python must not take the clone for it."""
    (tmp_path / 'rnn_scratch').mkdir()
    result = run('-c', 'import rnn_scratch; print(rnn_scratch.load_data_jay_lyrics()[3])')
    assert result.stdout == '1027\n', result.stderr


@pytest.mark.parametrize('version, allowed', [((3, 7), False), ((3, 8), True), ((3, 12), True), ((3, 13), False),
                                              ((3, 14), False)])
def test_setup_says_which_pythons_will_do(run, version, allowed):
    """setup.py, read by a Python that takes itself for another."""
    program = f'''if True:
        import runpy, sys
        import setuptools
        setuptools.setup = lambda **keywords: print('set up')
        sys.version_info = ({version[0]}, {version[1]}, 0)
        runpy.run_path({str(ROOT / 'setup.py')!r}, run_name='__main__')
    '''
    result = run('-c', program)
    if allowed:
        assert (result.returncode, result.stdout) == (0, 'set up\n')
    else:
        assert result.returncode == 1
        sentence, = result.stderr.splitlines()
        assert f'this is Python {version[0]}.{version[1]}' in sentence and '3.8 to 3.12' in sentence
