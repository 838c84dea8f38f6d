"""Cells of one's own, as a user of the package would write them: a GRU and an LSTM, after sections 6.7 and 6.8."""
from mxnet import nd


def get_cell_params(num_gates, vocab_size, num_hiddens, ctx):
    """W_x, W_h and b for each gate, then W_hq and b_q; all with gradients."""
    params = []
    for _ in range(num_gates):
        params += [nd.random.normal(scale=0.01, shape=(vocab_size, num_hiddens), ctx=ctx),
                   nd.random.normal(scale=0.01, shape=(num_hiddens, num_hiddens), ctx=ctx),
                   nd.zeros(num_hiddens, ctx=ctx)]
    params += [nd.random.normal(scale=0.01, shape=(num_hiddens, vocab_size), ctx=ctx), nd.zeros(vocab_size, ctx=ctx)]
    for param in params:
        param.attach_grad()
    return params


def gate(X, H, W_x, W_h, b):
    return nd.dot(X, W_x) + nd.dot(H, W_h) + b


def gru(inputs, state, params):
    *gates, W_hq, b_q = params
    update, reset, candidate = gates[:3], gates[3:6], gates[6:]
    H, = state
    outputs = []
    for X in inputs:
        Z = nd.sigmoid(gate(X, H, *update))
        R = nd.sigmoid(gate(X, H, *reset))
        H_tilde = nd.tanh(gate(X, R * H, *candidate))
        H = Z * H + (1 - Z) * H_tilde
        outputs.append(nd.dot(H, W_hq) + b_q)
    return outputs, (H,)


def init_lstm_state(batch_size, num_hiddens, ctx):
    return nd.zeros((batch_size, num_hiddens), ctx=ctx), nd.zeros((batch_size, num_hiddens), ctx=ctx)


def lstm(inputs, state, params):
    *gates, W_hq, b_q = params
    H, C = state
    outputs = []
    for X in inputs:
        input_gate = nd.sigmoid(gate(X, H, *gates[:3]))
        forget_gate = nd.sigmoid(gate(X, H, *gates[3:6]))
        output_gate = nd.sigmoid(gate(X, H, *gates[6:9]))
        C = forget_gate * C + input_gate * nd.tanh(gate(X, H, *gates[9:]))
        H = output_gate * nd.tanh(C)
        outputs.append(nd.dot(H, W_hq) + b_q)
    return outputs, (H, C)
