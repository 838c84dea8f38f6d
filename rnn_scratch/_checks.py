"""What each function refuses, and in which words: one line at the call, so that the formulas stand alone.

Each check returns nothing, or raises an error of one sentence: what was wrong, the value or shape that was met, and
what to do.
"""
import math
import os
import random
import reprlib


def check_num_chars(num_chars):
    if num_chars is not None and (not isinstance(num_chars, int) or num_chars < 1):
        raise ValueError(f'num_chars must be a positive whole number, or None for the whole text, not {num_chars!r}.')


def check_is_file(path):
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'The corpus {path} {what}: give the path of a text file or a zip archive.')


def check_one_member(path, members):
    if len(members) != 1:
        raise ValueError(f'{path} holds {len(members)} files: a corpus archive must hold exactly one text.')


def check_utf8(path, content):
    try:
        content.decode('utf-8')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text in UTF-8 ({error.reason} at byte {error.start}): '
                         'it may be GBK; save it as UTF-8 and try again.') from error


def check_not_empty(path, corpus_chars):
    if not corpus_chars:
        raise ValueError(f'{path} is empty: a corpus needs at least one character.')


def check_indices(X):
    if X.ndim not in (1, 2):
        raise ValueError(f'to_onehot takes indices of shape (n, T), not {X.shape}.')


def check_sizes(num_inputs, num_hiddens, num_outputs):
    if min(num_inputs, num_hiddens, num_outputs) < 1:
        raise ValueError('The numbers of inputs, hidden units and outputs must be positive, '
                         f'not {num_inputs}, {num_hiddens} and {num_outputs}.')


def check_shapes(inputs, H, W_xh, W_hh):
    """Inputs (n, d), state (n, h), parameters (d, h) and (h, h)."""
    (n, d), (num_inputs, h) = inputs[0].shape, W_xh.shape
    if d != num_inputs:
        raise ValueError(f'Each input has shape ({n}, {d}) but W_xh has shape ({num_inputs}, {h}): make the vectors '
                         'with to_onehot(X, vocab_size) and the parameters with the same vocab_size.')
    check_state(H, n, W_hh)


def check_state(H, n, W_hh):
    """The state must be that of as many sequences as there are: (n, h)."""
    if H.shape != (n, W_hh.shape[0]):
        raise ValueError(f'The state has shape {H.shape} but ({n}, {W_hh.shape[0]}) is needed: '
                         f'make it with init_rnn_state({n}, {W_hh.shape[0]}, ctx).')


def check_cell(rnn, chapters):
    """The fused engine has its own formulas for the chapter's cell; any other would be trained as if it were that."""
    if rnn is not chapters:
        raise ValueError(f"The fused engine computes the chapter's cell, rnn_scratch.rnn, and not {rnn!r}: "
                         'take the functions of the same names from rnn_scratch, which compute any cell.')


def check_cell_arguments(inputs, state, params, symbols, states):
    """What a cell of beyond/cells.py is given: as many parameters and states as it has names, and sizes that fit."""
    if len(params) != len(symbols):
        raise ValueError(f'This cell has {len(symbols)} parameters, {" ".join(symbols)}, not {len(params)}: make them '
                         'with the function for its own.')
    (n, d), (num_inputs, h) = inputs[0].shape, params[0].shape
    if d != num_inputs:
        raise ValueError(f'Each input has shape ({n}, {d}) but {symbols[0]} has shape ({num_inputs}, {h}): make the '
                         'vectors with to_onehot(X, vocab_size) and the parameters with the same vocab_size.')
    shapes = [s.shape for s in state]
    if shapes != [(n, h)] * len(states):
        function = 'init_rnn_state' if len(states) == 1 else 'init_lstm_state'
        raise ValueError(f'The state has the shapes {shapes} but {" and ".join(states)} need ({n}, {h}): make it with '
                         f'{function}({n}, {h}, ctx).')


def check_engine(engine, cell):
    if engine == 'fused' and cell != 'rnn':
        raise ValueError("The fused engine computes the chapter's cell only, --cell rnn: use --engine tutorial for "
                         f'--cell {cell}.')


def check_prefix(prefix, char_to_idx):
    """Name the character that the vocabulary lacks, rather than fail on it in the middle of a run."""
    if not prefix:
        raise ValueError('The prefix is empty: give at least one character to begin with.')
    for char in prefix:
        if char not in char_to_idx:
            raise ValueError(f'The character {char!r} of the prefix {prefix!r} is not among the {len(char_to_idx)} of '
                             'the vocabulary: choose another prefix, or read more of the corpus (num_chars).')


def check_prediction(prefix, num_chars, char_to_idx):
    check_prefix(prefix, char_to_idx)
    if num_chars < 0:
        raise ValueError(f'num_chars, the number of characters to write, must be 0 or more, not {num_chars}.')


def check_theta(theta):
    if theta is not None and not theta > 0:
        raise ValueError(f'theta, the largest norm of the gradient, must be above zero, or None, not {theta!r}.')


def check_norm(norm):
    if not math.isfinite(norm):
        raise FloatingPointError(f'The norm of the gradient is {norm}: the parameters have grown beyond all bounds; '
                                 'start again with a smaller learning rate (lr) or a smaller clipping_theta.')


def check_num_predictions(n):
    if n < 1:
        raise ValueError(f'Perplexity needs at least one prediction, not {n}.')


def check_training(vocab_size, corpus_indices, char_to_idx, is_random_iter, num_steps, clipping_theta, batch_size,
                   pred_period, pred_len, prefixes):
    """Refuse, before any work is done, the settings that would fail or do nothing later."""
    for name, value in [('num_steps', num_steps), ('batch_size', batch_size), ('pred_period', pred_period)]:
        if value < 1:
            raise ValueError(f'{name} must be 1 or more, not {value}.')
    if pred_len < 0:
        raise ValueError(f'pred_len must be 0 or more, not {pred_len}.')
    check_theta(clipping_theta)
    # Each label is the next character, hence the one more.
    needed = num_steps * batch_size + 1 if is_random_iter else (num_steps + 1) * batch_size
    if len(corpus_indices) < needed:
        raise ValueError(f'The corpus has {len(corpus_indices)} characters, but one mini-batch of {batch_size} '
                         f'sequences of {num_steps} steps needs {needed}: make batch_size or num_steps smaller.')
    for index in min(corpus_indices), max(corpus_indices):
        if not 0 <= index < vocab_size:
            raise ValueError(f'The corpus has the index {index}, but vocab_size is {vocab_size}: '
                             'take both from one call of load_data_jay_lyrics.')
    if isinstance(prefixes, str):
        raise ValueError(f'prefixes is a list of texts, not the text {prefixes!r}: put it in brackets.')
    for prefix in prefixes:
        check_prefix(prefix, char_to_idx)


def check_loss(l_sum):
    if math.isnan(l_sum):
        raise FloatingPointError('The loss is not a number: the parameters have grown beyond all bounds; start again '
                                 'with a smaller learning rate (lr), or with gradient clipping (clipping_theta).')


def check_sampler(temperature, top_k, top_p):
    if not 0 < temperature < math.inf:
        raise ValueError(f'The temperature must be a number above 0, not {temperature!r}.')
    if top_k is not None and not top_k >= 1:
        raise ValueError(f'top_k must be 1 or more, not {top_k!r}.')
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f'top_p must be above 0 and at most 1, not {top_p!r}.')


def check_held_out(length):
    if length < 2:
        raise ValueError('The text needs at least two characters of the vocabulary, one to read and one to predict, '
                         f'and has {length}.')


def check_copied(text, n):
    if not 1 <= n <= len(text):
        raise ValueError(f'The text has {len(text)} characters, and runs of {n} are looked for: give a longer text, or '
                         'an n of 1 or more.')


def check_suffix(path):
    if path.suffix != '.safetensors':
        raise ValueError(f"A checkpoint's name ends in .safetensors, and {str(path)!r} does not.")


def check_is_checkpoint(path):
    if not path.is_file():
        what = ('is a folder' if path.is_dir() else 'is no file that can be read' if path.exists() else
                'does not exist')
        raise FileNotFoundError(f'The checkpoint {path} {what}: give the path of a .safetensors file.')
    if path.suffix in ('.json', '.params'):
        raise ValueError(f'{path} looks like one of the two files of a checkpoint of rnn_scratch 0.1, which are not '
                         'read any more: train the model again, or write with it in version 0.1.')


def check_entries(path, entries):
    """Each entry of a checkpoint's metadata must be such as `save_checkpoint` writes."""
    def is_texts(value):
        return isinstance(value, list) and all(isinstance(text, str) for text in value)

    def is_perplexities(value):     # rounding may leave a perfect one slightly below 1
        return isinstance(value, list) and all(p == 'inf' or type(p) in (int, float) and p > 0.999 for p in value)

    def is_random_state(value):
        try:
            return value is None or random.Random().setstate((value[0], tuple(value[1]), value[2])) is None
        except (TypeError, ValueError, LookupError, OverflowError):
            return False

    sound = {
        'cell': lambda value: isinstance(value, str),
        'engine': lambda value: value in ('tutorial', 'fused'),
        'num_hiddens': lambda value: type(value) is int and value > 0,
        'symbols': lambda value: is_texts(value) and len(value) > 0,
        'settings': lambda value: isinstance(value, dict),
        'versions': lambda value: isinstance(value, dict),
        'perplexities': is_perplexities,
        'epoch': lambda value: value == len(entries['perplexities']),
        'held_out': lambda value: is_perplexities(value) and len(value) <= entries['epoch'],
        'idx_to_char': lambda value: is_texts(value) and all(len(char) == 1 for char in value),
        'vocab_size': lambda value: value == len(entries['idx_to_char']),
        'random_state': is_random_state,
        'sha256': lambda value: isinstance(value, str),
    }
    for name, is_sound in sound.items():
        if name not in entries or not is_sound(entries[name]):
            raise ValueError(f'The entry {name!r} of the checkpoint {path} makes no sense ('
                             f'{reprlib.repr(entries.get(name))}): give a file that save_checkpoint wrote.')


def check_arrays(path, checkpoint, shapes):
    """The names, the vocabulary and the sizes must be those of the arrays. `shapes` is None for a cell of one's own."""
    vocab_size, h = len(checkpoint.idx_to_char), checkpoint.num_hiddens
    if len(set(checkpoint.idx_to_char)) != vocab_size:
        raise ValueError(f'The vocabulary of {path} has a character twice.')
    if shapes and tuple(checkpoint.symbols) != tuple(shapes):
        raise ValueError(f'The cell {checkpoint.cell!r} has the arrays {tuple(shapes)}, but {path} has '
                         f'{tuple(checkpoint.symbols)}: name another cell.')
    if len(set(checkpoint.symbols)) != len(checkpoint.params):
        raise ValueError(f'{path} has {len(checkpoint.params)} arrays, but {len(set(checkpoint.symbols))} different '
                         'names for them.')
    for symbol, param in zip(checkpoint.symbols, checkpoint.params):
        if shapes and param.shape != shapes[symbol]:
            raise ValueError(f'{symbol} of {path} has shape {param.shape}, but {vocab_size} characters and {h} hidden '
                             f'units need {shapes[symbol]}.')


def check_finite(path, arrays):
    for symbol, array in arrays.items():
        if not math.isfinite(abs(array).max()):
            raise ValueError(f'{symbol} holds numbers that are not finite, so the model is of no use and was not saved '
                             f'to {path}: start again with a smaller learning rate (lr) or a smaller clipping_theta.')


def check_finite_params(params):
    if not all(math.isfinite(abs(param.asnumpy()).max()) for param in params):
        raise FloatingPointError('The parameters have grown beyond all bounds: start again with a smaller learning '
                                 'rate (lr), or with gradient clipping (clipping_theta).')


def check_not_empty_arrays(path, arrays):
    for symbol, array in arrays.items():
        if array.size == 0:
            raise ValueError(f'{symbol} of {path} has shape {array.shape}: MXNet has no arrays without numbers.')


def check_known_cell(cell, cells):
    if cell not in cells:
        raise ValueError(f'The cell {cell!r} of this checkpoint is not one of {sorted(cells)}: hand your own functions '
                         'to predict_rnn, with its params.')


def check_holdout(holdout, held_out):
    if holdout and len(held_out) < 2:
        raise ValueError(f'--holdout {holdout} holds out {len(held_out)} characters, too few to predict one.')


def check_patience(patience, held_out_text):
    if patience and not held_out_text:
        raise ValueError('--patience looks at held-out text: train with --holdout, for instance --holdout 0.1.')


def check_free(*paths):
    for path in paths:
        if path.exists():
            raise ValueError(f'There is a file at {path} already: choose another --out, or --resume it.')


def check_can_resume(path, checkpoint, num_epochs):
    if 'sampling' not in checkpoint.settings or checkpoint.random_state is None:
        raise ValueError(f'{path} was not saved by python -m rnn_scratch train, which needs its settings to go on.')
    if checkpoint.epoch >= num_epochs:
        raise ValueError(f'{path} is trained for {checkpoint.epoch} epochs: give a larger number to --epochs.')


def check_same_settings(path, settings, wanted):
    differences = [f'{name} is {settings.get(name)!r} there and {value!r} here'
                   for name, value in wanted.items() if settings.get(name) != value]
    if differences:
        raise ValueError(f'{path} does not fit: {"; ".join(differences)}.')


def check_same_corpus(path, settings, wanted):
    if settings.get('corpus_sha256') != wanted['corpus_sha256']:
        raise ValueError(f'{path} was trained on another text than {wanted["corpus"] or "the shipped lyrics"}.')


def check_trained_text(settings):
    if 'corpus_sha256' not in settings:
        raise ValueError('The model was not saved by python -m rnn_scratch train, so it does not say which text it was '
                         'trained on: leave --copied out.')
    if settings['corpus'] and not os.path.isfile(settings['corpus']):
        raise FileNotFoundError(f'The text that the model was trained on, {settings["corpus"]}, is not there any more: '
                                'put it back, or leave --copied out.')


def check_best(path, best, last):
    """The best epoch of a run may be of its past, or, where the run was killed while it saved, of its next epoch."""
    n = min(best.epoch, last.epoch)
    if best.perplexities[:n] != last.perplexities[:n] or best.idx_to_char != last.idx_to_char:
        raise ValueError(f'{path} is not the best epoch of this run, and would be overwritten: move it to another '
                         'place.')


def check_found(paths, folder):
    if not paths:
        raise FileNotFoundError(f'There is no checkpoint under {folder}: name one, or make one with '
                                'python -m rnn_scratch train.')


def check_new_file(path):
    """A name that a file can have, and none has yet."""
    if os.path.lexists(path):
        what = 'a folder' if path.is_dir() else 'a file'
        raise FileExistsError(f'There is {what} at {path} already: choose another name.')
    for folder in path.parents:
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(f'{path} cannot be made, because {folder} is not a folder: choose another name.')


def check_picture_kind(path, kinds):
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f'The name {str(path)!r} does not say which kind of picture it is to be: end it in one of '
                         f'{", ".join(f".{kind}" for kind in kinds)}.')


def check_runs(checkpoints):
    if not checkpoints:
        raise ValueError('There is no run to draw: give at least one (name, Checkpoint).')


def check_line(text, longest, idx_to_char):
    """The line of a picture: not too long for one, and nothing in it that the model does not know."""
    if not 1 <= len(text) <= longest:
        raise ValueError(f'A picture has room for a line of 1 to {longest} characters, and this one has {len(text)}: '
                         'give another line.')
    unknown = sorted(set(text) - set(idx_to_char))
    if unknown:
        raise ValueError(f'The vocabulary of the model does not have {", ".join(map(repr, unknown))}: '
                         'give a line of other characters.')


def check_num_units(num_units, most, num_chars):
    if not 1 <= num_units <= most:
        raise ValueError('num_units, the number of hidden units to show, must be from 1 to '
                         f'{most} for a line of {num_chars} characters, not {num_units}.')


def check_divisible(batch_size, count):
    if batch_size % count:
        sizes = [n for n in (batch_size // count * count, (batch_size // count + 1) * count) if n]
        workers = [k for k in range(2, batch_size + 1) if batch_size % k == 0]
        raise ValueError(f'A mini-batch of {batch_size} sequences cannot be divided among {count} workers: choose a '
                         f'batch size of {" or ".join(map(str, sizes))}, or {" or ".join(map(str, workers)) or 1} '
                         'workers.')


def check_first_context(ctx, contexts):
    if ctx != contexts[0]:
        raise ValueError(f'The parameters are on {ctx}, but the first of the devices is {contexts[0]}: name {ctx} '
                         'first.')


def check_same(what, checksums):
    """The checksums of all workers must be that of most of them: of two, that of worker 0."""
    common = max(checksums, key=checksums.count)
    others = ', '.join(str(number) for number, checksum in enumerate(checksums) if checksum != common)
    if others and what == 'settings':
        raise ValueError(f'The settings, the text or the model to go on with are not the same on all workers (worker '
                         f'{others} differs): start all hosts with the same command and the same files.')
    if others:
        raise FloatingPointError(f'The {what} are not the same on all workers (worker {others} differs): all hosts '
                                 'need the same kind of processor, the same versions and the same OMP_NUM_THREADS.')


def check_dmlc(variables, num_here):
    """The variables that say which host and how many workers, where they are set."""
    if 'DMLC_ROLE' in variables:
        raise ValueError(f'DMLC_ROLE is set ({variables["DMLC_ROLE"]}), but --workers starts all roles by itself: '
                         'unset it.')
    lowest = {'DMLC_PS_ROOT_PORT': 1, 'DMLC_NUM_WORKER': num_here, 'DMLC_NUM_SERVER': 1}
    for name, least in lowest.items():
        value = variables.get(name, str(least))
        if not value.isdecimal() or not least <= int(value) <= 65534:
            raise ValueError(f'{name} is {value!r}, and must be a whole number from {least} to 65534.')
    missing = {'DMLC_PS_ROOT_URI', 'DMLC_PS_ROOT_PORT', 'DMLC_NUM_WORKER'} - set(variables)
    if 0 < len(missing) < 3:
        raise ValueError(f'{" and ".join(sorted(missing))} must be set, too: several hosts need the three variables '
                         'DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT and DMLC_NUM_WORKER.')
