"""One peer in a process of its own: `python worker.py module class folder`, started by run.py.

It reads a JSON line for each thing to do and answers with a JSON line; arrays go through files in the folder.
"""
import importlib
import json
import os
import random
import sys
import time
from pathlib import Path

import numpy as np
from chapter import LR, NAMES, THETA


def check(peer, task, path):
    """Loss and gradients of one mini-batch, the parameters after one clipped step with it, and a text where the peer
    writes. Afterwards the peer trains on from there."""
    found = {'loss': peer.step(task['X'], task['labels'], 0, None)}         # lr 0: the parameters stay
    if hasattr(peer, 'write'):
        found['text'] = peer.write(''.join(task['prefix']), 50)
    found.update(zip([f'gradient of {name}' for name in NAMES], peer.gradients()))
    peer.step(task['X'], task['labels'], LR, THETA)
    found.update(zip([f'{name} after a step' for name in NAMES], peer.parameters() or []))
    np.savez(path, **found)
    return {}


def timed(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return {'seconds': time.perf_counter() - start}


def main(module, name, folder):
    # Whatever a library prints goes where errors go; the answers have the standard output to themselves.
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)

    def answer(**found):
        print(json.dumps(found), file=answers)

    task = np.load(Path(folder) / 'task.npz')
    random.seed(0)
    try:
        peer = getattr(importlib.import_module(module), name)([task[key] for key in NAMES], list(task['vocabulary']))
    except (ImportError, RuntimeError) as error:
        answer(skipped=str(error).splitlines()[0])
        return
    answer(versions=peer.describe())
    for line in sys.stdin:
        order = json.loads(line)
        if order['do'] == 'check':
            answer(**check(peer, task, order['path']))
        elif order['do'] == 'epochs':
            answer(**timed(peer.epochs, task['corpus'], order['times']))
        elif order['do'] == 'write':
            answer(**timed(peer.write, ''.join(task['prefix']), order['times']))


if __name__ == '__main__':
    main(*sys.argv[1:])
