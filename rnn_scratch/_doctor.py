"""python -m rnn_scratch doctor: what this machine has, what is wrong with it, and the command that mends it.

It uses nothing but Python, and tries MXNet in a process of its own, because it is needed most where MXNet does not
start. What it prints is what a question to others should contain; it has no name and no path of yours.
"""
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

PACKAGES = ['rnn_scratch', 'mxnet', 'd2lzh', 'numpy', 'setuptools', 'ipython', 'matplotlib', 'safetensors', 'tqdm']
FREE_DISK, FREE_MEMORY = 0.1, 0.5       # GB: a hundred runs of the chapter; what one of them takes
# It starts MXNet with the file _platform.py (the package cannot be imported where MXNet does not start), multiplies two
# matrices of small integers, which must be exact, and looks for a font with Chinese characters.
TRIAL = '''
import runpy, sys
wrong, _ = runpy.run_path(sys.argv[1])['start_mxnet']()
if wrong:
    print('MXNet does not start', *wrong, sep='\\n')
    sys.exit()
import rnn_scratch
import numpy
from mxnet import nd
a = numpy.arange(256 * 256).reshape(256, 256) % 7
print('MXNet is', 'right' if (nd.dot(nd.array(a), nd.array(a)).asnumpy() == a.dot(a)).all() else 'wrong')
from rnn_scratch.beyond.pictures import find_font
print('A font is', 'there' if find_font('\\u5206\\u5f00') else 'missing')
'''


class Findings:
    """Lines of what there is; and what is wrong, each with the command that mends it."""

    def __init__(self):
        self.rows, self.wrong = [], {}

    def have(self, name, value):
        self.rows.append(f'{name:<16}{value}')

    def mend(self, what, command):      # `what` has no full stop: it gets one when it is printed
        self.wrong[what] = command


def main():
    """Print everything. 0 if nothing is wrong, else 1: what the process ends with."""
    _platform.start_is_over()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='replace')        # a terminal that does not know a character shows ?
    found = Findings()
    try:
        look_at_python(found)
        if sys.version_info >= (3, 8):  # noqa: UP036 (what comes now needs it)
            for look_at in [look_at_packages, look_at_processor, look_at_libraries, look_at_variables, look_at_mxnet,
                            look_at_room, look_at_terminal]:
                look_at(found)
        print('\n'.join(found.rows))
        print('\nNothing is wrong.' if not found.wrong else '\nWhat is wrong, and the command that mends it:')
        for what, command in found.wrong.items():
            print(f'- {what}.\n  {command}')
        sys.stdout.flush()
    except BrokenPipeError:         # as with `… | head -1`: whoever read has gone away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
        return 130
    return int(bool(found.wrong))


def look_at_python(found):
    """The system and Python: CPython 3.8 to 3.12."""
    release = first_match(r'^PRETTY_NAME="?(.*?)"?$', '/etc/os-release')
    found.have('system', f'{platform.system()} {platform.release()} {platform.machine()}' + (
        f', {release}' if release else ''))
    implementation, version = platform.python_implementation(), sys.version_info
    where = 'in an environment of its own' if sys.prefix != sys.base_prefix else 'not in an environment of its own'
    found.have('Python', f'{implementation} {".".join(map(str, version[:3]))}, {where}')
    if implementation != 'CPython' or not (3, 8) <= version[:2] <= (3, 12):
        found.mend('MXNet runs on CPython 3.8 to 3.12 only', 'make train PYTHON=python3.11')


def look_at_packages(found):
    """The versions that are installed, without importing any of them."""
    versions = {name: installed(name) for name in PACKAGES}
    for name, version in versions.items():
        found.have(name, version or 'not installed')
    missing = [name for name in PACKAGES[1:] if not versions[name]]
    if missing:
        found.mend(f'Not installed: {", ".join(missing)}', _platform.INSTALL)
    for name, fits, limit in [('mxnet', r'1\.9\.1', '==1.9.1'), ('ipython', r'[0-8]\.', '<9')]:
        if versions[name] and not re.match(fits, versions[name]):
            found.mend(f'{name} {versions[name]} does not work with the others',
                       f'python -m pip install "{name}{limit}"')


def installed(name):
    """The version of a package, None if it is not there. Builds of MXNet for a GPU have names such as mxnet-cu112."""
    from importlib import metadata
    names = [name] if name != 'mxnet' else [name, 'mxnet-cu112', 'mxnet-cu110', 'mxnet-cu102', 'mxnet-cu101']
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return None


def look_at_processor(found):
    """Its name, its vector instructions, its cores, and the memory."""
    name = first_match(r'^model name\s*:\s*(.*)$', '/proc/cpuinfo') or platform.processor() or platform.machine()
    flags = (first_match(r'^flags\s*:\s*(.*)$', '/proc/cpuinfo') or '').split()
    vectors = [what for flag, what in [('avx512f', 'AVX-512'), ('avx2', 'AVX2'), ('avx', 'AVX')] if flag in flags]
    found.have('processor', f'{name}, {vectors[0] if vectors else "no AVX seen"}')
    found.have('cores', f'{_platform.count_cores()} for this process, of {os.cpu_count()} hardware threads')
    kilobytes = first_match(r'^MemAvailable:\s*(\d+) kB$', '/proc/meminfo')
    if kilobytes:
        free = int(kilobytes) * 1024 / 1e9
        found.have('memory', f'{free:.1f} GB free')
        if free < FREE_MEMORY:
            found.mend(f'A training run takes {FREE_MEMORY} GB of memory, and {free:.1f} GB are free',
                       'end other programs, or: python -m rnn_scratch train --hidden 64')


def look_at_libraries(found):
    """The system's libraries that MXNet needs."""
    needed = _platform.LIBRARIES.get(f'{sys.platform} {platform.machine()}', {})
    there = [library for library in needed if _platform.can_be_loaded(library)]
    found.have('libraries', f'{", ".join(there) or "none"} of {len(needed)} that MXNet needs')
    missing = _platform.what_is_missing()
    if missing:
        found.mend(*missing)


def look_at_variables(found):
    """Environment variables: those that the package sets as MXNet starts, and those that the user has set."""
    ours = _platform.settings()
    theirs = {name: value for name, value in os.environ.items()
              if name.startswith((*_platform.OWNERS, 'KMP_', 'MKL_')) and name not in ours}
    for who, variables in [('set by package', ours), ('set by you', theirs)]:
        # a value with a slash may be a path of the user's
        texts = [f'{name}={"…" if "/" in value else value}' for name, value in sorted(variables.items())]
        found.have(who, ' '.join(texts) or 'nothing')


def look_at_mxnet(found):
    """Whether it starts, multiplies right, and finds a font, tried in another process: there it may crash or wait."""
    printed, end = in_another_process(TRIAL, _platform.__file__)
    if 'MXNet is right' in printed:
        found.have('MXNet', 'starts, and multiplies right')
    elif 'MXNet is wrong' in printed:
        found.have('MXNet', 'starts, and multiplies wrong')
        found.mend('MXNet multiplies matrices wrongly here', 'unset OPENBLAS_CORETYPE OMP_NUM_THREADS GOMP_SPINCOUNT')
    else:
        found.have('MXNet', 'does not start')
        first, *wrong = printed.splitlines() or ['']
        if first == 'MXNet does not start':
            found.mend(*wrong)
        else:
            found.mend(end, _platform.INSTALL)
        return
    if 'A font is there' in printed:
        found.have('fonts', 'one with Chinese characters, for pictures')
    elif 'A font is missing' in printed:
        found.have('fonts', 'none with Chinese characters')
        found.mend('Pictures cannot show Chinese characters: they number them instead',
                   'apt-get install fonts-noto-cjk (Debian and Ubuntu)')
    else:
        found.have('fonts', 'not known')
        found.mend(f'Pictures cannot be drawn: {end}', _platform.INSTALL)


def in_another_process(program, *arguments):
    """What a program prints, without your paths, and how it ended."""
    try:
        result = subprocess.run(_platform.python('-c', program, *arguments), stdin=subprocess.DEVNULL,
                                capture_output=True, timeout=120, encoding='utf-8', errors='replace',
                                env={**os.environ, 'PYTHONIOENCODING': 'utf-8'})
    except subprocess.TimeoutExpired:
        return '', 'MXNet does not start: there was no answer within two minutes'
    if result.returncode < 0:
        return result.stdout, f'MXNet does not start: the system ended it with signal {-result.returncode}'
    last = (result.stderr.strip().splitlines() or ['MXNet does not start'])[-1]
    return without_paths(result.stdout), without_paths(last.rstrip('.'))


def look_at_room(found):
    """Disk space where runs are saved."""
    folder = 'runs' if os.path.isdir('runs') else '.'
    free = shutil.disk_usage(folder).free / 1e9
    found.have('disk', f'{free:.1f} GB free where runs are saved')
    if free < FREE_DISK:
        found.mend(f'Only {free:.2f} GB of disk are free here', 'python -m rnn_scratch train --out ANOTHER_FOLDER')
    if not os.access(folder, os.W_OK):
        found.mend('This folder cannot be written to', 'python -m rnn_scratch train --out ANOTHER_FOLDER')


def look_at_terminal(found):
    """Whether a song can be shown."""
    encoding = sys.stdout.encoding or 'utf-8'
    found.have('terminal', f'{encoding}; files {locale.getpreferredencoding(False)}; language '
               f'{os.environ.get("LC_ALL") or os.environ.get("LANG") or "not set"}')
    try:
        '分开'.encode(encoding)
    except UnicodeEncodeError:
        found.mend(f'The encoding {encoding} cannot show Chinese characters', 'export PYTHONIOENCODING=utf-8')


def first_match(pattern, path):
    """What a pattern finds in a file of the system; None where there is neither."""
    try:
        found = re.search(pattern, Path(path).read_text('utf-8', 'replace'), re.MULTILINE)
    except OSError:
        return None
    return found and found.group(1)


def without_paths(text):
    """A message without the paths that say who you are."""
    for path, name in [(sys.executable, 'python'), (os.getcwd(), '.'), (str(Path.home()), '~')]:
        text = text.replace(path, name) if len(path) > 1 else text
    return text
