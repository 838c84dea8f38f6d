"""What `pip install` needs to know. The versions that are installed together stand in requirements.txt."""
import re
import sys
from pathlib import Path

if not (3, 8) <= sys.version_info[:2] <= (3, 14):
    # Said here as well as in python_requires, because older releases of pip read that only after they have failed.
    sys.exit('rnn_scratch needs CPython 3.8 to 3.14, and this is Python {}.{}: run it with another one, for instance: '
             'make train PYTHON=python3.11'.format(*sys.version_info[:2]))

from setuptools import setup  # noqa: E402
from setuptools.command.build_py import build_py  # noqa: E402

HERE = Path(__file__).parent

class BuildWithCorpus(build_py):
    """A wheel carries the lyrics of data/ inside the package; an editable installation reads them where they are."""

    def run(self):
        super().run()
        if not getattr(self, 'editable_mode', False):
            folder = Path(self.build_lib) / 'rnn_scratch/corpus'
            self.mkpath(str(folder))
            self.copy_file(str(HERE / 'data/jaychou_lyrics.txt.zip'), str(folder))


setup(
    name='rnn_scratch',
    version=re.search(r"__version__ = '(.+)'", (HERE / 'rnn_scratch/__init__.py').read_text('utf-8')).group(1),
    description='循环神经网络的从零开始实现: a recurrent neural network from scratch, on Apache MXNet',
    long_description=(HERE / 'README.md').read_text('utf-8'),
    long_description_content_type='text/markdown',
    license='MIT',
    packages=['rnn_scratch', 'rnn_scratch.beyond', 'rnn_scratch.cli'],
    package_data={'rnn_scratch.beyond': ['page.html']},
    # Makes an editable installation a folder on Python's path, which wins against a clone that happens to lie in the
    # working directory under the package's name.
    package_dir={'': '.'},
    cmdclass={'build_py': BuildWithCorpus},
    python_requires='>=3.8,<3.15',
    install_requires=[
        # From Python 3.13 on there is only NumPy 2, which works, but which MXNet's metadata forbids: no plain
        # `pip install` can have both. requirements.txt has, and `import rnn_scratch` names the line that is missing.
        'mxnet==1.9.1; sys_platform != "win32" and python_version < "3.13"',
        'mxnet==1.7.0.post2; sys_platform == "win32" and python_version < "3.13"',
        'd2lzh==1.0.0',
        'charset-normalizer',   # looks which encoding a text has that is not in UTF-8
        'numpy<2.4',            # what was tried (see _platform.py)
        # MXNet imports distutils, which Python 3.12 removed, which Debian keeps out of its Python 3.11 and before, and
        # which setuptools brings back.
        'setuptools',
        # d2lzh.set_figsize calls a function that IPython 9 removed.
        'ipython<9',
        'matplotlib',
        'psutil',
        'safetensors',
        'tqdm',
        'msvc-runtime; sys_platform == "win32"',     # vcomp140.dll, which MXNet needs there
    ],
    extras_require={'export': ['onnx'], 'notebook': ['notebook'],
                    'test': ['hypothesis', 'ipykernel', 'nbclient', 'onnx', 'pip', 'pytest', 'pytest-xdist', 'ruff']},
)
