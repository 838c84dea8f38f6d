"""(七) 训练模型并创作歌词: the chapter from its first cell to its last.

    python examples/train_jaychou.py            250 epochs, as in the chapter
    python examples/train_jaychou.py 50         fewer
"""
import random
import sys

import rnn_scratch as d2l
from rnn_scratch.beyond import fused as engine  # or `import rnn_scratch as engine`, the chapter's own operators
from rnn_scratch.beyond.checkpoint import Checkpoint, save_checkpoint
from rnn_scratch.beyond.corpus import Corpus
from rnn_scratch.beyond.folders import new_folder
from rnn_scratch.beyond.pictures import plot_training
from rnn_scratch.beyond.settings import Settings

import mxnet as mx
from mxnet import nd

num_epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 250
random.seed(0)
mx.random.seed(0)

# The corpus
corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
ctx = d2l.try_gpu()
print('will use', ctx)

# (一) one-hot向量: two sequences of five characters become five matrices
X = nd.arange(10, ctx=ctx).reshape((2, 5))
inputs = d2l.to_onehot(X, vocab_size)
print(len(inputs), inputs[0].shape)

# (二) 初始化模型参数
num_hiddens = 256


def get_params():
    return d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)


# (三) 定义模型: five matrices of scores, and the last hidden state
state = d2l.init_rnn_state(X.shape[0], num_hiddens, ctx)
outputs, state_new = d2l.rnn(inputs, state, get_params())
print(len(outputs), outputs[0].shape, state_new[0].shape)

# (四) 定义预测函数: a model that has learnt nothing yet
print(d2l.predict_rnn('分开', 10, d2l.rnn, get_params(), d2l.init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char,
                      char_to_idx))

# (五) and (六) are in the functions that train. (七) The chapter's settings, random sampling, then consecutive sampling
num_steps, batch_size, lr, clipping_theta = 35, 32, 1e2, 1e-2
pred_period, pred_len, prefixes = 50, 50, ['分开', '不分开']   # a song every 50 epochs
folder = new_folder()       # under runs/, with the time as its name
models = []
facts = Corpus.read().facts()       # beyond the chapter: a model says which text it was trained on
for name, is_random_iter in [('random', True), ('consecutive', False)]:
    print(name, 'sampling')
    params, perplexities = engine.train_and_predict_rnn(
        d2l.rnn, get_params, d2l.init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, idx_to_char,
        char_to_idx, is_random_iter, num_epochs, num_steps, lr, clipping_theta, batch_size, pred_period, pred_len,
        prefixes)
    # Beyond the chapter: keep what was learnt, with the settings, which are the chapter's
    settings = {**vars(Settings(sampling=name)), **facts}
    model = Checkpoint(params, perplexities, idx_to_char, num_hiddens, engine='fused', settings=settings)
    save_checkpoint(folder / f'{name}.safetensors', model)
    models.append((name, model))

plot_training(models, folder / 'training.png')
print(f'Two models and a picture are in {folder}. To go on: python -m rnn_scratch write; and to train with other '
      'settings: python -m rnn_scratch train --help')
