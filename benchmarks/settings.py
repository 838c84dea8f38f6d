"""What each start-up setting is worth: `python benchmarks/settings.py` writes the table of docs/speed.md.

Each line of the table is a process of its own, which trains with the fused engine: first alone, then beside a program
that keeps one core busy. The lines take turns, round after round.
"""
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import report
from run import CHAPTER, CORES, THREAD_VARIABLES

HERE = Path(__file__).resolve().parent
ROUNDS = 5
SETTINGS = {
    'as `import rnn_scratch` sets them': {},
    'one operator at a time, with a thread for each core': {'MXNET_OMP_MAX_THREADS': str(CORES)},
    'one operator at a time, with one thread': {'OMP_NUM_THREADS': '1'},
    "MXNet's own number of temporary memories": {'MXNET_CPU_TEMP_COPY': '4'},
    "OpenBLAS's code for a processor of 2004": {'OPENBLAS_CORETYPE': 'Prescott'},
    'oneDNN without AVX-512': {'DNNL_MAX_CPU_ISA': 'AVX2'},
}
# A process that prints the seconds of an epoch.
PROGRAM = """
import time, rnn_scratch as d2l, mxnet as mx
from rnn_scratch.beyond import fused
from task import LR, N, THETA
corpus, _, _, q = d2l.load_data_jay_lyrics()
params = d2l.get_params(q, {hidden}, q, mx.cpu())
def train(epochs):
    start = time.perf_counter()
    for _ in range(epochs):
        fused.train_epoch(d2l.rnn, params, d2l.init_rnn_state, {hidden}, q, mx.cpu(), corpus, True, {steps}, LR,
                          THETA, N)
    return (time.perf_counter() - start) / epochs
train(1)
print(train(3))
""".format(**CHAPTER)


def seconds(setting):
    """Of an epoch, in a new process."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith((*THREAD_VARIABLES, 'DNNL_'))}
    found = subprocess.run([sys.executable, '-c', PROGRAM], env={**clean, **setting}, cwd=HERE, stdout=subprocess.PIPE,
                           check=True)
    return float(found.stdout)


def seconds_beside_another(setting):
    """The same, while another program counts."""
    busy = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        return seconds(setting)
    finally:
        busy.kill()
        busy.wait()


def main():
    begun, alone, beside = report.Begun(), {}, {}
    for number in range(1, ROUNDS + 1):
        print(f'round {number} of {ROUNDS}', flush=True)
        for name, setting in SETTINGS.items():
            alone.setdefault(name, []).append(seconds(setting))
            beside.setdefault(name, []).append(seconds_beside_another(setting))
    table = report.as_table(['', 'set', 'alone, s/epoch', 'min – max', 'beside a busy program'], [
        [name, ' '.join(f'`{variable}={value}`' for variable, value in setting.items()), *report.spread(alone[name]),
         report.spread(beside[name])[0]] for name, setting in SETTINGS.items()])
    versions = {f'MXNet {version("mxnet")}', f'NumPy {version("numpy")}'}
    about = report.about(versions, CORES, ROUNDS, *begun.until_now())
    print(f'\n{table}\n\n{about}')
    report.fill(HERE.parent / 'docs' / 'speed.md', {'settings': f'{table}\n\n{about}'})


if __name__ == '__main__':
    main()
