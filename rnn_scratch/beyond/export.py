"""Beyond the chapter: a model leaves MXNet, for PyTorch or for ONNX Runtime.

    to_pytorch(checkpoint, 'songs-pytorch.safetensors')     # for nn.RNN or nn.LSTM, and nn.Linear
    to_onnx(checkpoint, 'songs.onnx')                       # for ONNX Runtime, and whatever else reads ONNX

docs/leaving-mxnet.md shows how each file is loaded there and writes a song; page.py puts a model into a browser.
"""
import importlib.util
import json
from pathlib import Path

import numpy as np
import safetensors.numpy

from .checkpoint import EXPORTED, arrays_of
from .files import new_file, write_whole

# For each cell: the layer, its gates in the order that it has them, by the book's letters (h and c are the candidates),
# and what the layer must be told besides. PyTorch's GRU is not the book's: `cells.gru` says why.
PYTORCH = {
    'rnn': ('RNN', 'h', ''),
    'relu': ('RNN', 'h', ", nonlinearity='relu'"),
    'lstm': ('LSTM', 'ifco', ''),
}
ONNX = {
    'rnn': ('RNN', 'h', {'activations': ['Tanh']}),
    'relu': ('RNN', 'h', {'activations': ['Relu']}),
    'gru': ('GRU', 'zrh', {'linear_before_reset': 0}),
    'lstm': ('LSTM', 'iofc', {}),
}
OPSET, IR_VERSION = 17, 8       # of 2022: what reads ONNX reads these, and later versions add nothing that is used here


def to_pytorch(checkpoint, path):
    """把模型写给 PyTorch：循环层和线性层的权重。

    Write a model for PyTorch: a safetensors file with the weights of a recurrent layer and of a linear one.

    The names are those of a module with `self.rnn = nn.RNN(V, h)` (or `nn.LSTM(V, h)`) and `self.linear =
    nn.Linear(h, V)`, so that its `load_state_dict` takes them. The layer reads one-hot vectors. The metadata has, under
    `rnn_scratch` as JSON: `cell`, `num_hiddens`, `idx_to_char` (the vocabulary), and `layer`, what `layer_for` gives.
    PyTorch has two biases where the book has one. Only their sum counts, and the second is 0 here.

    ValueError: the cell is the GRU, which `nn.GRU` is not, or one of your own, the path does not end in .safetensors,
    or a number is not finite. FileExistsError: there is a file of that name. OSError: it cannot be written.
    """
    path = new_path(path, '.safetensors')
    if checkpoint.cell == 'gru':
        raise ValueError("The book's GRU is not the GRU of PyTorch, which computes something else with these weights: "
                         'export it to ONNX, which has both, or write its equations as docs/leaving-mxnet.md shows.')
    check_known(checkpoint.cell, PYTORCH)
    arrays = arrays_of(checkpoint, path)
    _, gates, _ = PYTORCH[checkpoint.cell]
    b = stack(arrays, 'b_', gates)
    weights = {
        'rnn.weight_ih_l0': stack(arrays, 'W_x', gates),        # (h, V); of an LSTM (4h, V)
        'rnn.weight_hh_l0': stack(arrays, 'W_h', gates),        # (h, h); of an LSTM (4h, h)
        'rnn.bias_ih_l0': b,                                    # (h,); of an LSTM (4h,)
        'rnn.bias_hh_l0': np.zeros_like(b),
        'linear.weight': stack(arrays, 'W_h', 'q'),             # (V, h)
        'linear.bias': arrays['b_q'],                           # (V,)
    }
    metadata = describe(checkpoint, format=EXPORTED, layer=layer_for(checkpoint))
    write_whole(path, safetensors.numpy.save(weights, metadata), is_new=True)


def layer_for(checkpoint):
    """The layer of PyTorch that computes the cell: for instance "nn.RNN(1027, 256, nonlinearity='relu')"."""
    name, _, more = PYTORCH[checkpoint.cell]
    return f'nn.{name}({len(checkpoint.idx_to_char)}, {checkpoint.num_hiddens}{more})'


def to_onnx(checkpoint, path):
    """把模型写成 ONNX 文件，ONNX Runtime 等都能计算。

    Write a model as an ONNX file, which ONNX Runtime and others compute without the framework it was trained with.

    | input | shape | output | shape |
    | --- | --- | --- | --- |
    | `X`, int64: indices of characters | (T, n) | `Y`: the scores of the next characters | (T, n, V) |
    | `H`: the state, at first zeros | (1, n, h) | `H_out`: the state after the last step | (1, n, h) |
    | of an LSTM also `C` | (1, n, h) | `C_out` | (1, n, h) |

    T and n may differ from call to call. The metadata is that of `to_pytorch` without `layer`, and so are the errors,
    but all four cells can be written, the path ends in .onnx, and ModuleNotFoundError says that onnx is missing.
    """
    path = new_path(path, '.onnx')
    check_known(checkpoint.cell, ONNX)
    if importlib.util.find_spec('onnx') is None:
        raise ModuleNotFoundError(
            'The export to ONNX needs the package onnx, which is not installed; run: python -m pip install onnx.')
    write_whole(path, onnx_model(checkpoint, arrays_of(checkpoint, path)).SerializeToString(), is_new=True)


def onnx_model(checkpoint, arrays):
    """The graph: one-hot vectors, whose product with W is as fast as a look-up here, the layer, the output layer."""
    from onnx import TensorProto, helper, numpy_helper
    vocab_size, num_hiddens = len(checkpoint.idx_to_char), checkpoint.num_hiddens
    layer, gates, more = ONNX[checkpoint.cell]
    states = ['H', 'C'] if checkpoint.cell == 'lstm' else ['H']
    last_states = [f'{state}_out' for state in states]
    b = stack(arrays, 'b_', gates)
    constants = {
        'vocab_size': np.array(vocab_size),
        'off_on': np.array([0, 1], 'float32'),
        # One direction; h stands for 3h in a GRU, for 4h in an LSTM. Of the two biases only the sum counts.
        'W': stack(arrays, 'W_x', gates)[np.newaxis],               # (1, h, V)
        'R': stack(arrays, 'W_h', gates)[np.newaxis],               # (1, h, h)
        'B': np.concatenate([b, np.zeros_like(b)])[np.newaxis],     # (1, 2h)
        'axis': np.array([1]),
        'W_hq': arrays['W_hq'],                                     # (h, V)
        'b_q': arrays['b_q'],                                       # (V,)
    }
    nodes = [
        helper.make_node('OneHot', ['X', 'vocab_size', 'off_on'], ['one_hot']),     # (T, n, V)
        # '' is an input that is left out: the lengths, were the sequences not all of T steps.
        helper.make_node(layer, ['one_hot', 'W', 'R', 'B', '', *states], ['directions', *last_states],
                         hidden_size=num_hiddens, **more),                          # (T, 1, n, h)
        helper.make_node('Squeeze', ['directions', 'axis'], ['hiddens']),           # (T, n, h)
        helper.make_node('MatMul', ['hiddens', 'W_hq'], ['product']),               # (T, n, V)
        helper.make_node('Add', ['product', 'b_q'], ['Y']),                         # (T, n, V)
    ]

    def describe_arrays(names, *shape, kind=TensorProto.FLOAT):
        return [helper.make_tensor_value_info(name, kind, shape) for name in names]

    graph = helper.make_graph(
        nodes, 'rnn_scratch',
        describe_arrays(['X'], 'T', 'n', kind=TensorProto.INT64) + describe_arrays(states, 1, 'n', num_hiddens),
        describe_arrays(['Y'], 'T', 'n', vocab_size) + describe_arrays(last_states, 1, 'n', num_hiddens),
        [numpy_helper.from_array(value, name) for name, value in constants.items()])
    model = helper.make_model(graph, producer_name='rnn_scratch', ir_version=IR_VERSION,
                              opset_imports=[helper.make_opsetid('', OPSET)])
    helper.set_model_props(model, describe(checkpoint))
    return model


# What both have in common

def describe(checkpoint, **more):
    """What a program needs to know besides the weights: metadata with one entry, as in a checkpoint."""
    entries = {'cell': checkpoint.cell, 'num_hiddens': checkpoint.num_hiddens, **more,
               'idx_to_char': checkpoint.idx_to_char}
    return {'rnn_scratch': json.dumps(entries, ensure_ascii=False)}


def stack(arrays, kind, gates):
    """A layer's weights, or biases, one gate below the other. The book writes X W_xh, with W (d, h), and they X Wᵀ."""
    return np.ascontiguousarray(np.concatenate([arrays[kind + gate].T for gate in gates]))


def new_path(path, suffix):
    """The path of a file that can be written, looked at before any work is done."""
    path = Path(path)
    if path.suffix != suffix:
        raise ValueError(f'The name of this file must end in {suffix}, and {str(path)!r} does not.')
    new_file(path)
    return path


def check_known(cell, layers):
    if cell not in layers:
        raise ValueError(f'The cell {cell!r} of this checkpoint is not one of {sorted(layers)}: write your cell again '
                         'there, and read its arrays from the checkpoint, a safetensors file.')
