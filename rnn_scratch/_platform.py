"""What this machine must have before MXNet can start, and the settings it starts with; Ctrl-C while it starts.

MXNet 1.9.1 is from 2022: where its import fails today, its message names no cure, and it does not know new processors.
`make` runs this file as a program before it installs anything. Each function `wrong_…` or `what_…` gives None, or a
pair of texts: what is wrong, and the command that mends it (in brackets, what else one should know).
"""
import _thread
import contextlib
import ctypes
import functools
import importlib
import os
import platform
import re
import signal
import sys
import time
from pathlib import Path

# Where MXNet 1.9.1 runs, the system's libraries that it needs there, and Debian's packages of them (None: no package).
LIBRARIES = {
    'linux x86_64': {'libgomp.so.1': 'libgomp1', 'libquadmath.so.0': 'libquadmath0', 'libstdc++.so.6': 'libstdc++6',
                     'libgcc_s.so.1': 'libgcc-s1'},
    'linux aarch64': {'libarmpl_lp64_mp.so': None, 'libamath.so': None, 'libastring.so': None}, 'darwin x86_64': {},
    'win32 AMD64': {'vcomp140.dll': 'msvc-runtime'},        # MXNet 1.7.0, its last release there; a package of pip's
}
# Environment variables that hold a whole number, from the smallest to the largest. With another value MXNet waits for
# ever (no workers), ends the process without a word of Python (no number), or fails at the first array.
NUMBERS = {'OMP_NUM_THREADS': (1, 1024), 'MXNET_OMP_MAX_THREADS': (1, 1024), 'MXNET_CPU_WORKER_NTHREADS': (1, 1024),
           'MXNET_CPU_PRIORITY_NTHREADS': (1, 1024), 'OPENBLAS_NUM_THREADS': (1, 1024),
           'MXNET_CPU_TEMP_COPY': (1, 1024), 'MXNET_CPU_PARALLEL_SIZE': (0, 2 ** 31 - 1)}
INSTALL = 'make train (in the folder of rnn_scratch; its README has other ways)'
ANOTHER_PYTHON = 'make train PYTHON=python3.11'
NUMPY_ALONE = 'python examples/rnn_numpy.py (in the folder of rnn_scratch: the chapter in NumPy alone'
# Of a processor, by the numbers that libgcc and Windows give them.
FEATURES = {'AVX-512': (15, 41), 'AVX2': (10, 40), 'AVX': (9, 39)}
MXNET, SET, UNSET = '1.9.1', 'export {}={}', 'unset {}'
if sys.platform == 'win32':
    INSTALL = r'.venv\Scripts\python -m pip install --no-deps -r requirements.txt -e . (see the README of rnn_scratch)'
    ANOTHER_PYTHON = 'py -3.11 -m venv .venv (and then the other lines of the README for Windows)'
    MXNET, SET, UNSET = '1.7.0.post2', "$env:{}='{}'", 'Remove-Item Env:{}'     # as PowerShell has it
    os.add_dll_directory(sys.prefix)        # there pip puts the DLLs of msvc-runtime
OWNERS = ('MXNET_', 'OMP_', 'GOMP_', 'OPENBLAS_')     # how the names of these variables begin


def sentence(what, command):
    return f'{what}; run: {command}.'


def import_mxnet():
    """Import MXNet, or end: our program with one sentence, what else imports us with an ImportError that has it."""
    from . import _roles  # here, because `make` runs this file alone
    text, error = _roles.wrong_role(), None
    if not text:
        with _roles.without_role():
            wrong, error = start_mxnet()
        text = wrong and sentence(*wrong)
    if text and is_our_start():
        sys.exit(text)
    if text:
        raise ImportError(text) from error
    sys.unraisablehook = functools.partial(what_is_ignored, before=sys.unraisablehook)
    display = sys.modules.get('IPython.display')
    if display and 'set_matplotlib_formats' not in vars(display):       # IPython 9 removed it, and d2lzh draws with it
        display.set_matplotlib_formats = lambda *formats: importlib.import_module(
            'matplotlib_inline.backend_inline').set_matplotlib_formats(*formats)
    _roles.serve()


def start_mxnet():
    """Import MXNet; returns what is wrong, and the error that tells it, or twice None."""
    try:
        wrong = wrong_processor() or wrong_variable() or wrong_numpy()
        if wrong:
            return wrong, None
        import distutils.version  # noqa: F401 (MXNet imports it, after its library)
        with environment({**settings(), 'OMP_NUM_THREADS': ''}):    # hidden: MXNET_CPU_WORKER_NTHREADS says it now
            import mxnet
            # MXNet reads two of them late: when it first multiplies, and when it first copies 32-bit numbers.
            mxnet.nd.dot(mxnet.nd.ones((1, 1)), mxnet.nd.ones((1, 1))).asnumpy()
        import numpy
        asscalar = mxnet.nd.NDArray.asscalar
        if (numpy.float32(0) + 0.0).dtype == numpy.float32:     # NumPy 2: sums, in d2lzh too, would lose digits
            mxnet.nd.NDArray.asscalar = lambda array: asscalar(array).item()
        return None, None
    except (ModuleNotFoundError, OSError, RuntimeError) as error:       # MXNet's own kind is a RuntimeError
        wrong = what_it_means(error)
        if wrong is None:
            raise
        return wrong, error


def what_it_means(error):
    module = error.name if isinstance(error, ModuleNotFoundError) else None
    if module in ('distutils', 'distutils.version'):        # it left Python with 3.12, and setuptools brings it back
        return (f'MXNet needs the module distutils, which Python {platform.python_version()} does not have',
                'python -m pip install setuptools')
    if module:      # MXNet, or what it imports
        name = 'MXNet' if module == 'mxnet' else f'The package {module}, which MXNet needs,'
        alone = module == 'mxnet' and sys.version_info >= (3, 13)       # see setup.py
        return what_is_missing() or (
            f'{name} is not installed for Python {platform.python_version()} ({sys.executable})',
            'python -m pip install --no-deps mxnet==' + MXNET if alone else INSTALL)
    library = re.match(r"(\S+?\.so\S*): cannot open shared object file|Could not find module '.*?([^\\]*)'", str(error))
    if library:
        return what_is_missing() or (
            f'MXNet needs the library {library.group(1) or library.group(2)}, which cannot be loaded',
            f'python -m pip install --force-reinstall --no-deps mxnet=={MXNET} (the build without a GPU; or install '
            'the system package that holds the library)')
    variable = re.search(r"Invalid Parameter format for (\w+) expect \w+ but value='|Cannot find Engine", str(error))
    if variable:
        name = variable.group(1) or 'MXNET_ENGINE_TYPE'
        return about_variable(name, os.environ[name], 'MXNet does not understand')
    return None


def what_is_missing():
    machine = f'{sys.platform} {platform.machine()}'
    missing = [library for library in LIBRARIES.get(machine, {}) if not can_be_loaded(library)]
    if machine not in LIBRARIES or machine == 'linux aarch64' and missing:
        reason = f' (there it needs {", ".join(missing)}, which no package brings)' if missing else ''
        return (f'MXNet does not run on {machine}{reason}, but on Linux on x86_64 and on Windows on x86_64',
                f'{NUMPY_ALONE}; docs/faq.md has more)')
    if missing:
        packages = ' '.join(LIBRARIES[machine][library] for library in missing)
        return (f'MXNet needs {", ".join(missing)}, which this machine lacks',
                f'python -m pip install --no-deps {packages}' if sys.platform == 'win32' else
                f'apt-get install {packages} (Debian and Ubuntu; elsewhere, install the packages that hold them)')
    return None


def can_be_loaded(library):
    with contextlib.suppress(OSError):
        ctypes.CDLL(library)
        return True


def wrong_numpy():
    """A NumPy newer than what was tried, or one that multiplies wrongly. A newer one than MXNet gets names back."""
    with environment({}):       # NumPy has an OpenBLAS of its own
        import numpy
    version = tuple(int(part) for part in numpy.__version__.split('.')[:2])
    if version >= (2, 4):       # where an array of shape (1, 1), as `asscalar` may give it, is no number any more
        return (f'NumPy {numpy.__version__} is installed, and MXNet works with NumPy before 2.4',
                'python -m pip install "numpy<2.4" (or install rnn_scratch again, as its README says)')
    if version >= (1, 24):
        give_back(numpy, is_2=version >= (2, 0))
    core = os.environ.get('OPENBLAS_CORETYPE')
    if core is not None:
        a, b = numpy.arange(32 * 256).reshape(32, 256) % 7, numpy.arange(256 * 256).reshape(256, 256) % 5
        if (a.astype('float64').dot(b.astype('float64')) != a.dot(b)).any():    # integers do not use OpenBLAS
            return about_variable('OPENBLAS_CORETYPE', core, 'makes NumPy multiply matrices wrongly on this processor')
    return None


def give_back(numpy, is_2):
    """Set the names back that NumPy removed with 1.24 (bool) and 2.0 (all others), and that MXNet reads."""
    def left(*_):
        raise RuntimeError('This function left NumPy with version 1.20 (NEP 32).')

    removed = {'bool': numpy.bool_, 'Inf': numpy.inf, 'PINF': numpy.inf, 'NINF': -numpy.inf, 'NaN': numpy.nan,
               'NAN': numpy.nan, 'PZERO': 0.0, 'NZERO': -0.0, 'alltrue': numpy.all, 'sometrue': numpy.any,
               'product': numpy.prod, 'round_': numpy.round, 'msort': lambda a: numpy.sort(a, axis=0),
               **dict.fromkeys(['mirr', 'npv', 'pmt', 'ppmt', 'pv', 'rate'], left)}
    for name in removed.keys() - vars(numpy).keys():
        setattr(numpy, name, removed[name])
    if is_2:        # it writes its own whole numbers as np.int64(3), and MXNet hands shapes on as text
        numpy.set_printoptions(legacy='1.25')
        with contextlib.suppress(ImportError):  # from 2.2 on, each thread has options; these are what it begins with
            from numpy._core.printoptions import default_format_options_dict
            default_format_options_dict['legacy'] = 125


def wrong_variable():
    for name, (lowest, highest) in NUMBERS.items():
        value = os.environ.get(name, '').strip()        # nothing is as good as not set
        if value and not (re.fullmatch('[0-9]{1,10}', value) and lowest <= int(value) <= highest):
            return about_variable(name, value, f'is no whole number from {lowest} to {highest} and stops MXNet')
    return None


def about_variable(name, value, what_is_wrong):
    return (f'The environment variable {name} is {value!r}, which {what_is_wrong}',
            f'{UNSET.format(name)} (in this terminal; or set it to another value)')


def settings():
    """Environment variables that make MXNet faster on this machine, without those that the user has set."""
    given = {name: value.strip() for name, value in os.environ.items() if value.strip()}
    # One thread for an operator, and an operator for each core. Threads of one operator wait for each other at its end,
    # and a step has hundreds: beside another busy program, an epoch with two threads takes ten times as long.
    threads = int(given.get('MXNET_OMP_MAX_THREADS', 1))
    found = {
        'MXNET_OMP_MAX_THREADS': str(threads), 'OPENBLAS_NUM_THREADS': str(threads),
        'MXNET_CPU_WORKER_NTHREADS': str(max(1, int(given.get('OMP_NUM_THREADS', count_cores())) // threads)),
        # Operators take temporary memories in turn, and two that got the same one wait for each other. MXNet has four.
        'MXNET_CPU_TEMP_COPY': '64',
        # Python's thread copies alone: with a team it would give OpenMP more threads than cores, which slows all.
        'MXNET_CPU_PARALLEL_SIZE': str(2 ** 31 - 1),
        # The wheel's OpenBLAS takes a newer processor for one of 2004. Haswell's code runs on all that have AVX2.
        'OPENBLAS_CORETYPE': processor_has('AVX2') and 'Haswell',
    }
    return {name: value for name, value in found.items() if value and name not in given}


def count_cores():
    """The cores that this process may use; two hardware threads of one core count once."""
    try:
        return len({Path(f'/sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list').read_text()
                    for i in os.sched_getaffinity(0)})
    except (AttributeError, OSError):       # not Linux, or a container that hides them
        return max(1, (os.cpu_count() or 2) // 2)


def processor_has(feature):
    """Whether this processor, or an emulator in its place, has a feature; None where nothing is there to tell."""
    if sys.platform == 'win32':         # an older Windows says no to all
        return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(FEATURES[feature][1])) or None
    with contextlib.suppress(AttributeError, OSError):
        libgcc, find = ctypes.CDLL('libgcc_s.so.1'), ctypes.CDLL(None).dlvsym
        find.restype = ctypes.POINTER(ctypes.c_uint)
        # What it was told: maker, type, subtype, features. (In an emulator, /proc/cpuinfo may be about the host.)
        found = find(ctypes.c_void_p(libgcc._handle), b'__cpu_model', b'GCC_4.8.0')
        return bool(found[3] >> FEATURES[feature][0] & 1) if found else None


def wrong_processor():
    """Parts of MXNet's library need AVX, whatever the processor: without it, the first product ends the process."""
    if processor_has('AVX') is False:
        return ('MXNet needs a processor with AVX, and this one has none',
                f'{NUMPY_ALONE}; or give a virtual machine the type of processor "host", and an emulator "max")')
    return None


def memory_bytes():
    """The memory of this machine, or of the container or the shell where they allow less."""
    import psutil
    found = [psutil.virtual_memory().total]
    if psutil.LINUX:
        limit = psutil.Process().rlimit(psutil.RLIMIT_AS)[0]
        found += [limit] * (limit != psutil.RLIM_INFINITY)
    for path in ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']:
        with contextlib.suppress(OSError, ValueError):      # not there; or `max`, which is no limit
            found.append(int(Path(path).read_text()))
    return min(found)


def first_match(pattern, path):
    """What the group of a pattern finds in a file of the system; None where there is neither."""
    with contextlib.suppress(OSError):
        found = re.search(pattern, Path(path).read_text('utf-8', 'replace'), re.MULTILINE)
        return found and found.group(1)


@contextlib.contextmanager
def environment(variables):
    """Set environment variables while MXNet starts, and hide those given as '' and the user's own empty ones."""
    # A library takes an empty one for set: with OPENBLAS_CORETYPE, products of NumPy were wrong by a fifth.
    empty = {name: '' for name, value in os.environ.items() if name.startswith(OWNERS) and not value.strip()}
    variables = {**empty, **variables}
    before = {name: os.environ.pop(name, None) for name in variables}
    os.environ.update({name: value for name, value in variables.items() if value})
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def python(*arguments):
    """The command for another Python with the flags of this one, as -P and -I, which keep the working directory out."""
    from subprocess import _args_from_interpreter_flags  # what Python's own multiprocessing calls
    return [sys.executable, *_args_from_interpreter_flags(), *arguments]


def is_our_start():
    """Whether this is `python -m rnn_scratch` before its first line, and no other program that imports us."""
    if sys.argv[:1] != ['-m']:      # what Python calls a program while it looks for the module that it is to run
        return False
    number, texts = ctypes.c_int(), ctypes.POINTER(ctypes.c_wchar_p)()
    ctypes.pythonapi.Py_GetArgcArgv(ctypes.byref(number), ctypes.byref(texts))      # sys.orig_argv, from 3.10 on
    typed = texts[:number.value]    # such as python -I -m rnn_scratch train; sys.argv is -m train
    module = typed[-len(sys.argv)]      # it may be written in one with -m and other flags: -Imrnn_scratch
    return re.fullmatch(r'(-\w*m)?rnn_scratch(\.__main__)?', module) is not None


def end_at_once(number, frame):
    """Ctrl-C while `python -m rnn_scratch` starts, which takes a second: a word, and no page of unfinished imports."""
    with contextlib.suppress(OSError):
        os.write(2, b'stopped\n')
    os._exit(128 + number)


def start_is_over():
    """What our program calls first: from here on, Ctrl-C is a KeyboardInterrupt, or what the program makes of it."""
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def what_is_ignored(unraisable, before):
    """Python calls this for what it cannot raise: one Ctrl-C in eighty falls into the `__del__` of an array of MXNet.
    It comes again, unless the program has its own way with Ctrl-C. All else is for the hook that was there before."""
    frame = unraisable.exc_traceback and unraisable.exc_traceback.tb_frame
    kind, is_array = unraisable.exc_type, (frame and frame.f_code.co_name == '__del__'
                                           and str(frame.f_globals.get('__name__')).startswith('mxnet.'))
    if is_array and kind is KeyboardInterrupt and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        once_more(signal.SIGINT)
    elif not (is_array and kind is AttributeError):     # an array that Ctrl-C left half made has nothing to free
        before(unraisable)


def once_more(number, is_due=lambda: True):
    """Receive a signal again, a moment later: now, what it raises would be ignored again."""
    def send():
        time.sleep(0.01)
        if is_due():
            signal.raise_signal(number)
    _thread.start_new_thread(send, ())


if __name__ == '__main__':
    wrong = what_is_missing() or wrong_processor()
    sys.exit(wrong and sentence(*wrong))

if is_our_start() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end_at_once)
