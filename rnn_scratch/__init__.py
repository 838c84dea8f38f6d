"""循环神经网络的从零开始实现: a recurrent neural network from scratch, on Apache MXNet.

Each module is one section of the chapter; read them in the order of the imports below. `rnn_scratch.beyond` has what
the chapter does not have.

>>> import rnn_scratch as d2l
>>> corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
>>> vocab_size
1027

Every other name is d2lzh's own: `d2l.sgd`, `d2l.try_gpu`, `d2l.RNNModel`, `d2l.plt` and so on.
"""
import sys

from . import _doctor, _platform

if _platform.is_our_start() and sys.argv[1:] == ['doctor']:     # it works where MXNet does not, so it comes before it
    sys.exit(_doctor.main())
_platform.import_mxnet()            # says clearly what is wrong with this machine, before MXNet says it badly

from .data import load_data_jay_lyrics
from .onehot import to_onehot
from .params import get_params
from .model import init_rnn_state, rnn
from .predict import predict_rnn
from .clipping import grad_clipping
from .perplexity import perplexity
from .training import train_and_predict_rnn, train_epoch

__version__ = '0.2.0'

__all__ = [
    'load_data_jay_lyrics', 'data_iter_random', 'data_iter_consecutive', 'to_onehot', 'get_params', 'try_gpu',
    'init_rnn_state', 'rnn', 'predict_rnn', 'grad_clipping', 'perplexity', 'sgd', 'train_epoch',
    'train_and_predict_rnn',
]


def __getattr__(name):
    """Python asks here for each name that is not above. d2lzh, which loads matplotlib and IPython, waits until then."""
    if name.startswith('__'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    import d2lzh
    return getattr(d2lzh, name)


def __dir__():
    """What tab completion shows: the names above and d2lzh's."""
    import d2lzh
    return sorted({*globals(), *(name for name in dir(d2lzh) if not name.startswith('_'))})
