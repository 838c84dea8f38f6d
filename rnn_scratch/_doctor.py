"""python -m rnn_scratch doctor: what this machine has, what is wrong with it, and the command that mends it.

It needs only Python, and tries MXNet in another process, where it may crash. It prints no name and no path of yours.
"""
import contextlib
import io
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import _platform

PACKAGES = ['rnn_scratch', 'mxnet', 'd2lzh', 'numpy', 'setuptools', 'ipython', 'matplotlib', 'psutil', 'safetensors',
            'tqdm']
FREE_DISK, FREE_MEMORY = 0.1, 0.5       # GB: ten runs of the chapter; what one of them takes
ELSEWHERE = 'python -m rnn_scratch train --out ANOTHER_FOLDER'
# It starts MXNet with _platform.py, since the package cannot be imported where MXNet does not start; multiplies two
# matrices of small integers, which must be exact; and looks for a font with Chinese characters.
TRIAL = '''
import os, runpy, sys
os.environ.pop('DMLC_ROLE', None)
wrong, _ = runpy.run_path(sys.argv[1])['start_mxnet']()
if wrong:
    print('MXNet does not start', *wrong, sep='\\n')
    sys.exit()
import numpy, rnn_scratch
from mxnet import nd
a = numpy.arange(256 * 256).reshape(256, 256) % 7
print('MXNet is', 'right' if (nd.dot(nd.array(a), nd.array(a)).asnumpy() == a.dot(a)).all() else 'wrong')
from rnn_scratch.beyond.pictures import find_font
print('A font is', 'there' if find_font('\\u5206\\u5f00') else 'missing')
'''


def main():
    """Print everything. 0 if nothing is wrong, else 1: what the process ends with."""
    _platform.start_is_over()
    sys.stdout = sys.stdout or open(os.devnull, 'w')        # closed, as with >&-
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='replace')        # a terminal that does not know a character shows ?
    rows, wrong = {}, {}    # what there is; and what is wrong, with the command that mends it
    try:
        look_at_python(rows, wrong)
        if sys.version_info >= (3, 8):  # noqa: UP036 (what comes now needs it)
            for look_at in [look_at_packages, look_at_processor, look_at_libraries, look_at_variables, look_at_mxnet,
                            look_at_room, look_at_terminal]:
                look_at(rows, wrong)
        print('\n'.join(f'{name:<16}{value}' for name, value in rows.items()))
        print('\nWhat is wrong, and the command that mends it:' if wrong else '\nNothing is wrong.')
        for what, command in wrong.items():
            print(f'- {what}.\n  {command}')
        sys.stdout.flush()
    except OSError:         # whoever read has gone away, as with `… | head -1`; or there is no room for it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
        return 130
    return int(bool(wrong))


def look_at_python(rows, wrong):
    release = _platform.first_match(r'^PRETTY_NAME="?(.*?)"?$', '/etc/os-release')
    system = f'{platform.system()} {platform.release()} {platform.machine()}'
    rows['system'] = f'{system}, {release}' if release else system
    implementation, version = platform.python_implementation(), sys.version_info
    where = 'in an environment of its own' if sys.prefix != sys.base_prefix else 'not in an environment of its own'
    rows['Python'] = f'{implementation} {".".join(map(str, version[:3]))}, {where}'
    if implementation != 'CPython' or not (3, 8) <= version[:2] <= (3, 14):
        wrong['MXNet runs on CPython 3.8 to 3.14 only'] = _platform.ANOTHER_PYTHON


def look_at_packages(rows, wrong):
    versions = {name: installed(name) for name in PACKAGES}
    rows.update({name: version or 'not installed' for name, version in versions.items()})
    missing = [name for name in PACKAGES[1:] if not versions[name]]
    if missing:
        wrong[f'Not installed: {", ".join(missing)}'] = _platform.INSTALL
    for name, fits, limit in [('mxnet', _platform.MXNET, f'=={_platform.MXNET}'), ('ipython', r'[0-8]\.', '<9')]:
        if versions[name] and not re.match(fits, versions[name]):
            wrong[f'{name} {versions[name]} does not work with the others'] = f'python -m pip install "{name}{limit}"'


def installed(package):
    """Its version, or None, without importing it. Builds of MXNet for a GPU have names such as mxnet-cu112."""
    from importlib import metadata
    for name in [package, *(f'mxnet-cu{version}' for version in (112, 110, 102, 101) if package == 'mxnet')]:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return None


def look_at_processor(rows, wrong):
    name = _platform.first_match(r'^model name\s*:\s*(.*)$', '/proc/cpuinfo') or platform.processor()
    best = next(filter(_platform.processor_has, _platform.FEATURES), 'no AVX seen')
    rows['processor'] = f'{name or platform.machine()}, {best}'
    rows['cores'] = f'{_platform.count_cores()} for this process, of {os.cpu_count()} hardware threads'
    with contextlib.suppress(ImportError):
        import psutil
        free = psutil.virtual_memory().available / 1e9
        rows['memory'] = f'{free:.1f} GB free'
        if free < FREE_MEMORY:
            wrong[f'A training run takes {FREE_MEMORY} GB of memory, and {free:.1f} GB are free'] = (
                'end other programs, or: python -m rnn_scratch train --hidden 64')


def look_at_libraries(rows, wrong):
    needed = _platform.LIBRARIES.get(f'{sys.platform} {platform.machine()}', {})
    there = [library for library in needed if _platform.can_be_loaded(library)]
    rows['libraries'] = f'{", ".join(there) or "none"} of {len(needed)} that MXNet needs'
    wrong.update(filter(None, [_platform.what_is_missing()]))


def look_at_variables(rows, wrong):
    ours = {} if _platform.wrong_variable() else _platform.settings()
    theirs = {name: value for name, value in os.environ.items()
              if name.startswith((*_platform.OWNERS, 'KMP_', 'MKL_', 'DMLC_')) and name not in ours}
    for who, variables in [('set by package', ours), ('set by you', theirs)]:
        # a value with a slash may be a path of the user's
        texts = [f'{name}={"…" if "/" in value else value}' for name, value in sorted(variables.items())]
        rows[who] = ' '.join(texts) or 'nothing'


def look_at_mxnet(rows, wrong):
    printed, end = in_another_process(TRIAL, _platform.__file__)
    if 'MXNet is right' in printed:
        rows['MXNet'] = 'starts, and multiplies right'
    elif 'MXNet is wrong' in printed:
        rows['MXNet'] = 'starts, and multiplies wrong'
        wrong['MXNet multiplies matrices wrongly here'] = _platform.UNSET.format('OPENBLAS_CORETYPE')
    else:
        rows['MXNet'] = 'does not start'
        first, *pair = printed.splitlines() or ['']
        wrong.update([pair if first == 'MXNet does not start' else (end, _platform.INSTALL)])
        return
    if 'A font is there' in printed:
        rows['fonts'] = 'one with Chinese characters, for pictures'
    elif 'A font is missing' in printed:
        rows['fonts'] = 'none with Chinese characters'
        wrong['Pictures cannot show Chinese characters: they number them instead'] = (
            'apt-get install fonts-noto-cjk (Debian and Ubuntu; on Windows, install Microsoft YaHei in its settings)')
    else:
        rows['fonts'] = 'not known'
        wrong[f'Pictures cannot be drawn: {end}'] = _platform.INSTALL


def in_another_process(program, *arguments):
    """What a program prints, without your paths, and how it ended."""
    try:
        result = subprocess.run(_platform.python('-c', program, *arguments), stdin=subprocess.DEVNULL,
                                capture_output=True, timeout=120, encoding='utf-8', errors='replace',
                                env={**os.environ, 'PYTHONIOENCODING': 'utf-8'})
    except subprocess.TimeoutExpired:
        return '', 'MXNet does not start: there was no answer within two minutes'
    printed, end = result.stdout, (result.stderr.strip().splitlines() or ['MXNet does not start'])[-1].rstrip('.')
    if result.returncode < 0:
        end = f'MXNet does not start: the system ended it with signal {-result.returncode}'
    for path, name in [(sys.executable, 'python'), (os.getcwd(), '.'), (str(Path.home()), '~')]:
        if len(path) > 1:       # these say who you are
            printed, end = printed.replace(path, name), end.replace(path, name)
    return printed, end


def look_at_room(rows, wrong):
    folder = 'runs' if os.path.isdir('runs') else '.'
    free = shutil.disk_usage(folder).free / 1e9
    rows['disk'] = f'{free:.1f} GB free where runs are saved'
    if free < FREE_DISK:
        wrong[f'Only {free:.2f} GB of disk are free here'] = ELSEWHERE
    if not os.access(folder, os.W_OK):
        wrong['This folder cannot be written to'] = ELSEWHERE


def look_at_terminal(rows, wrong):
    encoding = sys.stdout.encoding or 'utf-8'
    language = os.environ.get('LC_ALL') or os.environ.get('LANG') or 'not set'
    rows['terminal'] = f'{encoding}; files {locale.getpreferredencoding(False)}; language {language}'
    if '分开'.encode(encoding, 'ignore').decode(encoding) != '分开':
        wrong[f'The encoding {encoding} cannot show Chinese characters'] = _platform.SET.format(
            'PYTHONIOENCODING', 'utf-8')
