"""这一章，只用 NumPy：没有 MXNet 也行。 The chapter in NumPy alone: python examples/rnn_numpy.py [my_poems.txt [50]]

It trains on the project's lyrics, or your text, for 250 epochs, or 50. Python from 3.8, NumPy from 1.20. Names and
arguments are the chapter's. `ctx`, the device, is there so that the book's calls fit: NumPy has the CPU only. What
autograd does there, `gradients` does here, for `rnn` and no other cell; `grad_clipping` takes what it returns."""
import hashlib, io, json, math, os, random, sys, time, zipfile
import numpy as np
LYRICS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'data', 'jaychou_lyrics.txt.zip')
SYMBOLS, FORMAT = ['W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q'], 'rnn_scratch checkpoint 2'

def load_data_jay_lyrics(path=LYRICS, num_chars=10000):                 # 6.3 语言模型数据集
    archive = zipfile.ZipFile(path) if zipfile.is_zipfile(path) else None
    with archive.open(*archive.namelist()) if archive else open(path, 'rb') as file:    # of an archive the only file
        text = io.TextIOWrapper(file, 'utf-8-sig', newline='').read(num_chars).replace('\n', ' ').replace('\r', ' ')
    idx_to_char = sorted(set(text))
    char_to_idx = {char: i for i, char in enumerate(idx_to_char)}
    return [char_to_idx[char] for char in text], char_to_idx, idx_to_char, len(idx_to_char)
def data_iter_random(corpus_indices, batch_size, num_steps, ctx=None):
    corpus, starts = np.array(corpus_indices), [*range(0, len(corpus_indices) - num_steps, num_steps)]
    random.shuffle(starts)
    for i in range(0, len(starts) - batch_size + 1, batch_size):
        at = np.array(starts[i:i + batch_size])[:, None] + np.arange(num_steps)         # (n, T)
        yield corpus[at], corpus[at + 1]                                # X, Y (n, T)
def data_iter_consecutive(corpus_indices, batch_size, num_steps, ctx=None):
    rows = np.array(corpus_indices[:len(corpus_indices) // batch_size * batch_size]).reshape(batch_size, -1)
    for i in range(0, rows.shape[1] - num_steps, num_steps):
        yield rows[:, i:i + num_steps], rows[:, i + 1:i + num_steps + 1]                # X, Y (n, T)

def to_onehot(X, size):                                                 # （一）one-hot向量
    return (X.T[..., None] == np.arange(size)).astype(np.float32)       # X (n, T) -> T × (n, d)
def get_params(num_inputs, num_hiddens, num_outputs, ctx):              # （二）初始化模型参数
    d, h, q = num_inputs, num_hiddens, num_outputs
    W_xh, W_hh, W_hq = (np.random.normal(0, 0.01, shape).astype(np.float32) for shape in [(d, h), (h, h), (h, q)])
    return [W_xh, W_hh, np.zeros(h, np.float32), W_hq, np.zeros(q, np.float32)]

def init_rnn_state(batch_size, num_hiddens, ctx):                       # （三）定义模型
    return (np.zeros((batch_size, num_hiddens), np.float32),)
def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    H = [state[-1]]                                                     # H_0 (n, h); the way back needs every H_t
    for X in inputs:                # one-hot (n, d); or indices (n,), since one-hot X_t times W_xh is rows of W_xh
        # H_t = tanh(X_t W_xh + H_{t-1} W_hh + b_h)
        H.append(np.tanh((W_xh[X] if X.ndim == 1 else X @ W_xh) + H[-1] @ W_hh + b_h))  # (n, h)
    # Y_t = H_t W_hq + b_q, for all t in one product (T n, q)
    return (np.concatenate(H[1:]) @ W_hq + b_q).reshape(len(inputs), -1, len(b_q)), H          # T × (n, q)

def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx):
    state, indices = init_rnn_state(1, num_hiddens, ctx), [char_to_idx[prefix[0]]]      # （四）定义预测函数
    for t in range(1, len(prefix) + num_chars):
        (Y,), state = rnn(to_onehot(np.array([indices[-1:]]), vocab_size), state, params)       # Y (1, q)
        indices.append(char_to_idx[prefix[t]] if t < len(prefix) else int(Y.argmax()))
    return ''.join(idx_to_char[i] for i in indices)

def grad_clipping(grads, theta, ctx):                                   # （五）裁剪梯度
    norm = math.sqrt(sum(float(np.vdot(grad, grad)) for grad in grads))
    for grad in grads if theta is not None and norm > theta else []:
        grad *= theta / norm                                            # g ← min(θ / ‖g‖, 1) · g

def gradients(X, Y, state, params):                 # 6.6 通过时间反向传播; Z_t goes into tanh, and dA stands for ∂L/∂A
    W_xh, W_hh, b_h, W_hq, b_q = params
    outputs, H = rnn(X.T, state, params)                                # T × (n, q); H_0, …, H_T (n, h)
    O, x, y, i = outputs.reshape(X.size, -1), X.T.ravel(), Y.T.ravel(), np.arange(X.size)       # (T n, q), (T n,)
    # L = the mean of log Σ exp(O) − O[y]; a row of O less its maximum has the same softmax, and exp stays finite
    O -= O.max(axis=1, keepdims=True)
    O_y, dO = O[i, y], np.exp(O, out=O)                                 # dO takes the memory of O
    sums = dO.sum(axis=1, keepdims=True)                                # (T n, 1)
    loss = float(np.mean(np.log(sums[:, 0]) - O_y))
    # ∂L/∂O = (softmax(O) − one-hot(y)) / (T n)
    dO /= sums * X.size                                                 # (T n, q)
    dO[i, y] -= np.float32(1 / X.size)
    # ∂L/∂W_hq = Σ_t H_tᵀ ∂L/∂O_t, for all t in one product;  ∂L/∂b_q = Σ_t ∂L/∂O_t
    dW_hq, db_q = np.concatenate(H[1:]).T @ dO, dO.sum(axis=0)          # (h, q), (q,)
    dH, dZ = (dO @ W_hq.T).reshape(-1, *H[0].shape), [np.zeros_like(H[0])]      # T × (n, h); there is no Z_{T+1}
    for t in reversed(range(len(dH))):
        # ∂L/∂H_t = ∂L/∂O_t W_hqᵀ + ∂L/∂Z_{t+1} W_hhᵀ;  ∂L/∂Z_t = ∂L/∂H_t ⊙ (1 − H_t²)
        dZ.insert(0, (dH[t] + dZ[0] @ W_hh.T) * (1 - H[t + 1] ** 2))    # (n, h)
    dZ = np.concatenate(dZ[:-1])                                        # (T n, h)
    # ∂L/∂W_hh = Σ_t H_{t-1}ᵀ ∂L/∂Z_t;  ∂L/∂b_h = Σ_t ∂L/∂Z_t
    dW_hh, db_h = np.concatenate(H[:-1]).T @ dZ, dZ.sum(axis=0)         # (h, h), (h,)
    # ∂L/∂W_xh = Σ_t X_tᵀ ∂L/∂Z_t: each row of ∂L/∂Z_t goes to the row of the character that was read
    dW_xh = np.zeros_like(W_xh)                                         # (d, h)
    for row, dz in zip(x, dZ):
        dW_xh[row] += dz
    return loss, H, [dW_xh, dW_hh, db_h, dW_hq, db_q]

def train_and_predict_rnn(rnn, get_params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, idx_to_char,
                          char_to_idx, is_random_iter, num_epochs, num_steps, lr, clipping_theta, batch_size,
                          pred_period, pred_len, prefixes):             # （六）定义模型训练函数
    if rnn is not globals()['rnn'] or len(corpus_indices) < batch_size * (num_steps + 1):
        raise ValueError(f'This trains the cell `rnn`, on a text of {batch_size * (num_steps + 1)} characters or more.')
    params, perplexities, data_iter = get_params(), [], data_iter_random if is_random_iter else data_iter_consecutive
    for epoch in range(1, num_epochs + 1):
        start, l_sum, n, state = time.time(), 0.0, 0, init_rnn_state(batch_size, num_hiddens, ctx)
        for X, Y in data_iter(corpus_indices, batch_size, num_steps, ctx):
            state = init_rnn_state(batch_size, num_hiddens, ctx) if is_random_iter else state
            loss, state, grads = gradients(X, Y, state, params)
            grad_clipping(grads, clipping_theta, ctx)
            params = [param - lr * grad for param, grad in zip(params, grads)]
            l_sum, n = l_sum + loss * Y.size, n + Y.size
        perplexities.append(math.exp(l_sum / n))
        if epoch % pred_period == 0:
            print(f'epoch {epoch}, perplexity {perplexities[-1]:f}, time {time.time() - start:.2f} sec')
            for prefix in prefixes:
                print(' -', predict_rnn(prefix, pred_len, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx,
                                        idx_to_char, char_to_idx))
    return params, perplexities

def save_model(path, params, perplexities, idx_to_char, settings):      # the safetensors file of rnn_scratch
    entries = {'format': FORMAT, 'epoch': len(perplexities), 'vocab_size': len(idx_to_char), 'settings': settings,
               'perplexities': perplexities, 'idx_to_char': idx_to_char, 'num_hiddens': len(params[1]), 'cell': 'rnn',
               'engine': 'fused', 'symbols': SYMBOLS, 'held_out': [], 'random_state': None, 'versions': {}}
    text, data = json.dumps(entries, ensure_ascii=False, allow_nan=False), b''.join(params)
    text = text[:-1] + f', "sha256": "{hashlib.sha256(text.encode() + data).hexdigest()}"}}'
    about = {symbol: {'dtype': 'F32', 'shape': param.shape, 'data_offsets': [end - param.nbytes, end]}
             for symbol, param, end in zip(SYMBOLS, params, np.cumsum([param.nbytes for param in params]).tolist())}
    header = json.dumps({'__metadata__': {'rnn_scratch': text}, **about}).encode()
    header += b' ' * (-len(header) % 8)                                 # PyTorch reads from multiples of 8
    np.frombuffer(len(header).to_bytes(8, 'little') + header + data, np.uint8).tofile(f'{path}.tmp')
    os.replace(f'{path}.tmp', path)                                     # whole or not at all
def load_model(path):                                                   # of this program, rnn_scratch, or a stranger
    try:
        content = np.memmap(path, mode='r') if os.path.isfile(path) and os.path.getsize(path) < 2 ** 31 else b''
        start, params = 8 + int.from_bytes(content[:8], 'little'), []
        header = json.loads(bytes(content[8:min(start, 1_000_000)]))
        text = header['__metadata__']['rnn_scratch']
        entries = json.loads(text)
        chars, V, h = entries['idx_to_char'], len(entries['idx_to_char']), entries['num_hiddens']
        for symbol, shape in zip(SYMBOLS, [(V, h), (h, h), (h,), (h, V), (V,)]):
            data = content[start:][slice(*header[symbol]['data_offsets'])]
            params.append(np.frombuffer(data, '<f4').reshape(shape).copy())
        digest = hashlib.sha256((text[:text.rindex(', "sha256"')] + '}').encode() + b''.join(params)).hexdigest()
        is_right = all(np.isfinite(param).all() for param in params) and sorted({*''.join(chars)}) == sorted(chars)
        if [entries['format'], entries['cell'], entries['sha256'], is_right] != [FORMAT, 'rnn', digest, True]:
            raise ValueError('another format or cell, or not the content that was saved')
        return params, [float(perplexity) for perplexity in entries['perplexities']], chars
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'{path} is missing, too large, damaged, or no model of `rnn` ({str(error)[:99]}).') from error

if __name__ == '__main__':                                              # （七）训练模型并创作歌词
    random.seed(0)
    np.random.seed(0)
    corpus_indices, char_to_idx, idx_to_char, V = load_data_jay_lyrics(*sys.argv[1:2])
    prefixes = [p for p in ['分开', '不分开'] if set(p) <= set(idx_to_char)] or [idx_to_char[corpus_indices[0]]]
    os.makedirs(folder := time.strftime('runs/%Y%m%d-%H%M%S'))
    for name in ['random', 'consecutive']:
        params, perplexities = train_and_predict_rnn(
            rnn, lambda: get_params(V, 256, V, None), init_rnn_state, 256, V, None, corpus_indices, idx_to_char,
            char_to_idx, name == 'random', int((sys.argv[2:] or [250])[0]), 35, 1e2, 1e-2, 32, 50, 50, prefixes)
        save_model(f'{folder}/{name}.safetensors', params, perplexities, idx_to_char, {'sampling': name})
        print(f'{folder}/{name}.safetensors has a model of {len(load_model(f"{folder}/{name}.safetensors")[1])} epochs')
