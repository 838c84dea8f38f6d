"""循环神经网络的从零开始实现: a recurrent neural network from scratch, on Apache MXNet.

Each module is one section of the tutorial; read them in the order of the imports below.

>>> import rnn_scratch as d2l
>>> corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
>>> vocab_size
1027
"""
from . import _platform  # first: it says clearly what is wrong with this machine, before MXNet says it badly
from d2lzh import sgd  # for the book's code; train_epoch has its formula written out
from .data import data_iter_consecutive, data_iter_random, load_data_jay_lyrics
from .onehot import to_onehot
from .params import get_params, try_gpu
from .model import init_rnn_state, rnn
from .predict import predict_rnn
from .clipping import grad_clipping
from .perplexity import perplexity
from .training import train_and_predict_rnn, train_epoch

__version__ = '0.1.0'

__all__ = [
    'load_data_jay_lyrics', 'data_iter_random', 'data_iter_consecutive', 'to_onehot', 'get_params', 'try_gpu',
    'init_rnn_state', 'rnn', 'predict_rnn', 'grad_clipping', 'perplexity', 'sgd', 'train_epoch',
    'train_and_predict_rnn',
]
