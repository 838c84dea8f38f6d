"""What PyTorch and ONNX Runtime make of exported models: run by test_export.py, by the Python of their environment.

    python elsewhere.py FOLDER

Each folder in it has songs-pytorch.safetensors or songs.onnx, or both, task.npz, what to compute with them, and the
programs to run there. The answers are put beside them: pytorch.npz, onnx.npz, and what each program has printed.
"""
import contextlib
import json
import os
import runpy
import sys
from pathlib import Path

import numpy as np


def in_pytorch(path):
    """The exported model as a function: X (T, n) and the states to Y (T, n, V) and the states."""
    import torch
    from safetensors import safe_open
    from torch import nn

    with safe_open(path, 'pt') as file:
        layer = json.loads(file.metadata()['rnn_scratch'])['layer']
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)

    class Songs(nn.Module):
        def __init__(self):
            super().__init__()
            V, h = weights['linear.weight'].shape
            self.rnn = eval(layer, {'nn': nn})
            self.linear = nn.Linear(h, V)

    songs = Songs()
    songs.load_state_dict(weights)

    def compute(X, states):
        states = [torch.from_numpy(state) for state in states]
        with torch.no_grad():
            one_hot = nn.functional.one_hot(torch.from_numpy(X), songs.linear.out_features).float()
            hiddens, last = songs.rnn(one_hot, states[0] if len(states) == 1 else tuple(states))
            Y = songs.linear(hiddens)
        return Y.numpy(), [state.numpy() for state in ([last] if len(states) == 1 else last)]

    return compute


def in_onnx_runtime(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    outputs = [value.name for value in session.get_outputs()]

    def compute(X, states):
        Y, *states = session.run(outputs, {'X': X, **dict(zip('HC', states))})
        return Y, states

    return compute


def answer(compute, task):
    """Two mini-batches, one after the other; the second begins in the state that the first has left."""
    states = [task[name] for name in 'HC' if name in task]
    answers = {}
    for name in ['first', 'second']:
        answers[name], states = compute(task[name], states)
    return {**answers, **dict(zip('HC', states))}


def main(folder):
    for case in Path(folder).iterdir():
        os.chdir(case)
        with np.load('task.npz') as file:
            task = dict(file)
        for name, exported, load in [('pytorch', 'songs-pytorch.safetensors', in_pytorch),
                                     ('onnx', 'songs.onnx', in_onnx_runtime)]:
            if os.path.exists(exported):
                np.savez(f'{name}.npz', **answer(load(exported), task))
        for program in Path().glob('*.py'):
            with open(program.with_suffix('.txt'), 'w', encoding='utf-8') as file, contextlib.redirect_stdout(file):
                runpy.run_path(str(program))


if __name__ == '__main__':
    main(sys.argv[1])
