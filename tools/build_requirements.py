"""Write the three lists of versions anew: requirements.txt, tests/requirements.txt, examples/requirements.txt.

    .venv-3.11/bin/python -m pip install uv
    .venv-3.11/bin/python tools/build_requirements.py

Each list is installed as it stands (`pip install --no-deps`): no resolver could find it, because the metadata of MXNet
and d2lzh forbid what works. METADATA has what they should say instead.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# d2lzh asks for all of jupyter, 170 MB, and imports IPython alone. MXNet 1.9.1 says numpy<2, and 1.7.0 numpy<1.17.
METADATA = """
[[dependency-metadata]]
name = 'd2lzh'
requires-dist = ['ipython', 'matplotlib', 'numpy']
[[dependency-metadata]]
name = 'mxnet'
requires-dist = ['numpy', 'requests', 'graphviz']
"""
# MXNet without the marker that leaves it out in setup.py. NumPy: the last before 1.24; for Python 3.12 the last before
# 2; from 3.13 on the newest that setup.py allows.
LINES = """
mxnet==1.9.1; sys_platform != 'win32'
mxnet==1.7.0.post2; sys_platform == 'win32'
numpy<1.24; python_version < '3.12'
numpy<2; python_version == '3.12.*'
"""
HEAD = '''# {what}: one version of everything, for CPython 3.8 to 3.14. Installed as it stands:
#   python -m pip install --no-deps --requirement {path}
# Made by tools/build_requirements.py.
'''


def compiled(config, *extras):
    """All that the package needs, with some of its extras, a line each."""
    options = [option for extra in extras for option in ('--extra', extra)]
    command = [sys.executable, '-m', 'uv', '--config-file', config, 'pip', 'compile', 'setup.py', '-', *options,
               '--universal', '--python-version', '3.8', '--no-header', '--no-annotate', '--no-emit-index-url',
               '--quiet']
    result = subprocess.run(command, cwd=ROOT, input=LINES, stdout=subprocess.PIPE, check=True, encoding='utf-8')
    return result.stdout.splitlines()


def write(path, what, lines):
    (ROOT / path).write_text(HEAD.format(path=path, what=what) + '\n'.join(lines) + '\n', 'utf-8')


if __name__ == '__main__':
    with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
        file.write(METADATA)
        file.flush()
        base = compiled(file.name)
        write('requirements.txt', 'To train', base)
        for path, what, extra in [('tests/requirements.txt', 'To run the tests, besides', 'test'),
                                  ('examples/requirements.txt', 'To run the notebook, besides', 'notebook')]:
            write(path, what, [line for line in compiled(file.name, extra) if line not in base])
