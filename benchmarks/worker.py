"""One peer in a process of its own: `python worker.py module class folder`, started by run.py.

It reads a JSON line for each thing to do and answers with a JSON line; arrays go through files in the folder.
"""
import importlib
import json
import os
import random
import re
import sys
import time

import numpy as np
import task as tasks


def check(peer, X, labels, prefix, path):
    """Loss and gradients of one mini-batch, a text where the peer writes, and the parameters after one clipped step.
    Afterwards the peer trains on from there."""
    loss, gradients = peer.loss_and_gradients(X, labels)
    found = {'loss': loss, **{f'gradient of {name}': gradient for name, gradient in zip(tasks.NAMES, gradients)}}
    if hasattr(peer, 'write'):
        found['text'] = peer.write(prefix, 50)
    peer.step(X, labels, tasks.LR, tasks.THETA)
    found.update(zip([f'{name} after a step' for name in tasks.NAMES], peer.parameters() or []))
    np.savez(path, **found)


def megabytes():
    """The most memory that this process ever held. (`resource.getrusage` counts the process that started it, too.)"""
    with open('/proc/self/status', encoding='ascii') as status:
        return int(re.search(r'VmHWM:\s+(\d+) kB', status.read()).group(1)) * 1024 / 1e6


def main(module, name, folder):
    # Whatever a library prints goes where errors go; the answers have the standard output to themselves.
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)

    def answer(**found):
        print(json.dumps(found), file=answers)

    task = tasks.load(folder)
    random.seed(0)
    try:
        peer = getattr(importlib.import_module(module), name)(task)
    except (ImportError, RuntimeError) as error:
        answer(skipped=str(error).splitlines()[0])
        return
    answer(versions=peer.describe())
    prefix = ''.join(task.vocabulary[i] for i in task.corpus[:2])
    for line in sys.stdin:
        order, arguments = json.loads(line)
        start, busy = time.perf_counter(), time.process_time()
        if order == 'check':
            check(peer, task.X, task.labels, prefix, *arguments)
        elif order == 'step':
            peer.step(task.X, task.labels, tasks.LR, tasks.THETA)
        elif order == 'epochs':
            peer.epochs(*arguments)
        elif order == 'write':
            peer.write(prefix, *arguments)
        # And of all its threads, and the most memory that the process ever held
        answer(seconds=time.perf_counter() - start, busy=time.process_time() - busy,
               megabytes=megabytes())


if __name__ == '__main__':
    main(*sys.argv[1:])
