"""What each function refuses, and in which words: one line at the call, so that the formulas stand alone.

Each check returns nothing, or raises an error of one sentence: what was wrong, the value or shape that was met, and
what to do.
"""
import json
import math
import numbers
import os
import re
import reprlib
import stat

short = reprlib.Repr()        # what a file says may be of any length
short.maxstring = short.maxother = 80


def check_num_chars(num_chars):
    is_whole = isinstance(num_chars, numbers.Integral) and not isinstance(num_chars, bool)
    if num_chars is not None and (not is_whole or num_chars < 1):
        raise ValueError(f'num_chars must be a positive whole number, or None for the whole text, not {num_chars!r}.')


def shown(path):
    """A path as it is, unless it would break the line."""
    return str(path) if str(path).isprintable() else repr(str(path))


def check_is_file(what, path, wanted):
    """A regular file: a folder has no text, and a pipe or a device has no end."""
    try:
        mode = os.stat(path).st_mode
        found = (None if stat.S_ISREG(mode) else 'is a folder' if stat.S_ISDIR(mode) else
                 'is no file, but a pipe, a socket or a device')
    except (FileNotFoundError, NotADirectoryError):
        found = 'does not exist'
    except ValueError:
        found = 'has a name that no file can have'
    if found:
        raise FileNotFoundError(f'The {what} {shown(path)} {found}: give the path of {wanted}.')


def check_readable(what, path, error):
    """What the system says, with the path; a sentence of ours, which has no number, stays as it is."""
    if error.errno is None:
        raise error
    raise type(error)(f'The {what} {shown(path)} cannot be read ({error.strerror}): look who may read it and what is '
                      'wrong with the disk, or copy it to another place.') from error


def check_size(where, size, largest):
    if size > largest:
        raise ValueError(f'{where} has {size:,} bytes, and at most {largest:,} are read: give a smaller one.')


def check_all_there(where, size, length):
    if length != size:
        raise ValueError(f'{where} has {size:,} bytes by its own account, and other than that could be read: copy it, '
                         'when no other program writes to it, and give the copy.')


def check_num_members(path, number, most):
    if number > most:
        raise ValueError(f'{path} holds {number:,} files: a corpus archive must hold exactly one text.')


def check_one_member(path, names):
    if '[Content_Types].xml' in names:
        raise ValueError(f'{path} is a document of Word or the like: save its text as a plain text file in UTF-8.')
    if len(names) != 1:
        listed = f' ({", ".join(map(short.repr, names[:5]))}{" …" if len(names) > 5 else ""})' if names else ''
        raise ValueError(f'{path} holds {len(names)} files{listed}: a corpus archive must hold exactly one text; '
                         'unpack it and give the path of a text.')


def check_not_encrypted(where, is_encrypted):
    if is_encrypted:
        raise ValueError(f'{where} is locked with a password: unpack it and give the path of the text.')


def check_undamaged(path, error):
    raise ValueError(f'{path} is a damaged archive, or packed in a way that is not known here ({str(error)[:200]}): '
                     'fetch or pack it again, or unpack it and give the path of the text.') from error


def check_kind(where, kind):
    if kind:
        cure = 'unpack it' if kind.endswith('archive') else 'save its text in a plain text file in UTF-8'
        raise ValueError(f'{where} is {kind} and not a text: {cure}, and give the path of the text.')


def check_utf8(where, content, likely_encoding):
    """A text in UTF-8 has no wrong byte, and no NUL; where there is one, `likely_encoding` tries others."""
    try:
        content.decode('utf-8')
        start, is_cut_off, cause = content.find(0), False, None
    except UnicodeDecodeError as error:
        start, is_cut_off, cause = error.start, error.reason == 'unexpected end of data', error
    if start < 0:
        return
    encoding = likely_encoding(content)
    if encoding:
        cure = (f'it is most likely {"GBK" if encoding == "GB18030" else encoding}, so save it as UTF-8, for instance '
                f'with: iconv -f {encoding} -t UTF-8 OLD.txt > NEW.txt')
    elif is_cut_off:
        cure = 'it ends in the middle of a character, so fetch or copy it again'
    else:
        cure = ('it is in another encoding, damaged, or no text, so open it in an editor and save it as UTF-8, or take '
                'another file')
    raise ValueError(f'{where} is not a text in UTF-8, since byte {start} (in line {content.count(10, 0, start) + 1}) '
                     f'is 0x{content[start]:02x}: {cure}.') from cause


def check_markup(where, text, found):
    if found:
        raise ValueError(f'{where} is a page of a website and no text, since it begins with '
                         f'{text.strip()[:20]!r}: fetch the text itself, or save the page as plain text.')


def check_has_text(where, text):
    if not text.strip():
        raise ValueError(f'{where} is empty, or has nothing but spaces: a corpus needs at least two characters.')
    if len(text) == 1:
        raise ValueError(f'{where} has one character only, {text!r}: a corpus needs at least two, one to read and one '
                         'to predict.')


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


def check_head(path, head, size, kind, largest_header):
    """The first bytes of a safetensors file: the length of its header, in eight bytes, and the brace it begins with."""
    if path.suffix in ('.json', '.params'):
        raise ValueError(f'{shown(path)} looks like one of the two files of a checkpoint of rnn_scratch 0.1, which are '
                         'not read any more: train the model again, or write with it in version 0.1.')
    path, length = shown(path), int.from_bytes(head[:8], 'little')
    if head[8:9] != b'{' or length > size - 8:
        found = 'it is empty' if size == 0 else f'it is {kind}' if kind else 'it does not begin like one, or is cut off'
        refuse_checkpoint(path, found)
    if length > largest_header:
        raise ValueError(f'The header of the checkpoint {path} has {length:,} bytes by its own account, and at most '
                         f'{largest_header:,} are read: give a file that save_checkpoint wrote.')


def refuse_checkpoint(path, reason):
    raise ValueError(f'{path} is not a checkpoint of rnn_scratch, or it is damaged ({str(reason)[:200]}): give a file '
                     'that save_checkpoint wrote.')


def check_format(path, found, wanted):
    """'rnn_scratch checkpoint 2': what comes before the number is the same for all versions."""
    if found == wanted:
        return
    name, number = wanted.rsplit(' ', 1)
    match = re.fullmatch(f'{name} ([0-9]{{1,9}})', found) if isinstance(found, str) else None
    if match is None:
        refuse_checkpoint(path, f'its format is {short.repr(found)}, and {wanted!r} is read')
    age, cure = (('a newer', 'install that version') if int(match.group(1)) > int(number) else
                 ('an older', 'train the model again, or use that version'))
    raise ValueError(f'{path} has the format {found!r} of {age} version of rnn_scratch, and this version reads '
                     f'{wanted!r}: {cure}.')


def is_whole(value, lowest, highest=2 ** 53):
    return type(value) is int and lowest <= value <= highest


def is_number(value):
    """A number that a float can hold; no bool."""
    return type(value) is float and math.isfinite(value) or type(value) is int and abs(value) < 2 ** 1000


def is_perplexity(value):       # rounding may leave a perfect one slightly below 1
    return value == 'inf' or is_number(value) and value > 0.999


def is_name(value):
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()


def is_character(value):
    return isinstance(value, str) and len(value) == 1 and not '\ud800' <= value <= '\udfff'


def is_sha256(value):
    return isinstance(value, str) and re.fullmatch('[0-9a-f]{64}', value) is not None


def is_random_state(value):
    """What `random.getstate()` gives: a version, 625 numbers, and None or a number."""
    return value is None or (
        isinstance(value, (list, tuple)) and len(value) == 3 and value[0] == 3 and isinstance(value[1], (list, tuple))
        and len(value[1]) == 625 and all(is_whole(word, 0, 2 ** 32 - 1) for word in value[1]) and value[1][-1] <= 624
        and (value[2] is None or is_number(value[2])))


PERPLEXITY = "a number of 1 or more, or 'inf'"
# Of each entry of a checkpoint: whether it is sound, and what it must be; of a list also whether each of it is.
ENTRIES = {
    'cell': (is_name, 'a short text'),
    'engine': (lambda value: value in ('tutorial', 'fused'), "'tutorial' or 'fused'"),
    'num_hiddens': (lambda value: is_whole(value, 1, 2 ** 31 - 1), 'a whole number of 1 or more'),
    'vocab_size': (lambda value: is_whole(value, 1), 'the number of characters in idx_to_char'),
    'epoch': (lambda value: is_whole(value, 0), 'the number of perplexities'),
    'symbols': (lambda value: isinstance(value, list) and value, 'a list of names', is_name, 'a short text'),
    'settings': (lambda value: isinstance(value, dict), 'a dictionary'),
    'versions': (lambda value: isinstance(value, dict) and all(map(is_name, [*value, *value.values()])),
                 'a dictionary of short texts'),
    'perplexities': (lambda value: isinstance(value, list), 'a list of numbers', is_perplexity, PERPLEXITY),
    'held_out': (lambda value: isinstance(value, list), 'a list of numbers', is_perplexity, PERPLEXITY),
    'idx_to_char': (lambda value: isinstance(value, list) and value, 'a list of characters', is_character,
                    'a single character'),
    'random_state': (is_random_state, 'None, or what random.getstate() gives'),
}
CHECKSUM = {'sha256': (is_sha256, '64 digits of a checksum')}
# The same of the settings that `python -m rnn_scratch train` goes on with.
SETTINGS = {
    'sampling': (lambda value: value in ('random', 'consecutive'), "'random' or 'consecutive'"),
    'corpus': (lambda value: value is None or isinstance(value, str) and value and '\0' not in value,
               'a path, or None'),
    'num_chars': (lambda value: is_whole(value, 0), 'a whole number of 0 or more'),
    'holdout': (lambda value: is_number(value) and 0 <= value < 1, 'a number from 0 to less than 1'),
    'hidden': (lambda value: is_whole(value, 1), 'the number of hidden units, num_hiddens'),
    'num_steps': (lambda value: is_whole(value, 1), 'a whole number of 1 or more'),
    'batch_size': (lambda value: is_whole(value, 1), 'a whole number of 1 or more'),
    'lr': (lambda value: is_number(value) and value > 0, 'a number above 0'),
    'theta': (lambda value: value is None or is_number(value) and value > 0, 'a number above 0, or None'),
    'seed': (lambda value: type(value) is int, 'a whole number'),
    'corpus_sha256': (is_sha256, '64 digits of a checksum'),
}


def check_entries(path, entries):
    """Each entry of a checkpoint must be such as `save_checkpoint` writes; the first that is not is named."""
    check_each(path, entries, ENTRIES)
    settings, vocabulary = entries['settings'], entries['idx_to_char']
    check_different(path, 'idx_to_char', vocabulary)
    check_different(path, 'symbols', entries['symbols'])
    for name, length, what in [('vocab_size', len(vocabulary), 'characters in idx_to_char'),
                               ('epoch', len(entries['perplexities']), 'perplexities')]:
        if entries[name] != length:
            refuse_entry(path, name, entries[name], f'{length}, the number of {what}')
    if len(entries['held_out']) > entries['epoch']:
        refuse_entry(path, 'held_out', entries['held_out'], f'no longer than the {entries["epoch"]} perplexities')
    if entries['engine'] == 'fused' and entries['cell'] != 'rnn':
        refuse_entry(path, 'engine', 'fused', f"'tutorial' for the cell {entries['cell']!r}")
    for name, value in settings.items():
        if name in ('unigram_perplexity', 'held_out_unigram_perplexity') and not is_perplexity(value):
            refuse_entry(path, f'settings[{name!r}]', value, PERPLEXITY)
        if type(value) is float and not math.isfinite(value):
            refuse_entry(path, f'settings[{short.repr(name)}]', value, 'a finite number')
    if 'corpus_sha256' in settings:     # of a run, whose corpus is from load_data_jay_lyrics
        check_run_settings(path, settings, entries['num_hiddens'])
        for char, following in zip(vocabulary, vocabulary[1:]):
            if char > following:
                raise ValueError(f'idx_to_char of the checkpoint {path} has {char!r} before {following!r}, but the '
                                 'vocabulary of a run is in the order of the code points: give a file that '
                                 'save_checkpoint wrote.')


def check_checksum(path, entries):
    check_each(path, entries, CHECKSUM)


def check_run_settings(path, settings, num_hiddens):
    check_each(path, settings, SETTINGS, 'settings[{!r}]')
    if settings['hidden'] != num_hiddens:
        refuse_entry(path, "settings['hidden']", settings['hidden'], f'{num_hiddens}, which is num_hiddens')


def check_each(path, entries, rules, form='{}'):
    for name, (is_sound, needed, *of_each) in rules.items():
        if name not in entries:
            refuse_entry(path, form.format(name), 'missing', needed, quote=str)
        if not is_sound(entries[name]):
            refuse_entry(path, form.format(name), entries[name], needed)
        if of_each:
            is_each_sound, each_needed = of_each
            for i, value in enumerate(entries[name]):
                if not is_each_sound(value):
                    refuse_entry(path, f'{form.format(name)}[{i}]', value, each_needed)


def check_different(path, name, values):
    seen = set()
    for i, value in enumerate(values):
        if value in seen:
            refuse_entry(path, f'{name}[{i}]', value, 'different from those before it')
        seen.add(value)


def refuse_entry(path, name, value, needed, quote=short.repr):
    raise ValueError(f'{name} of the checkpoint {path} is {quote(value)}, and must be {needed}: give a file that '
                     'save_checkpoint wrote.')


def check_arrays(path, checkpoint, shapes):
    """The names, the vocabulary and the sizes must be those of the arrays. `shapes` is None for a cell of one's own."""
    vocab_size, h = len(checkpoint.idx_to_char), checkpoint.num_hiddens
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


def check_types(path, arrays, is_known):
    """The chapter's cell, and those of cells.py, compute in 32-bit floats; a cell of one's own in any floats."""
    types = ('float32',) if is_known else ('float16', 'float32', 'float64')
    for symbol, array in arrays.items():
        if array.dtype.name not in types:
            raise ValueError(f'{symbol} of {path} holds numbers of the type {array.dtype.name}, and must hold '
                             f'{" or ".join(types)}: convert it with astype.')
        if array.ndim == 0 or array.size == 0:
            raise ValueError(f'{symbol} of {path} has shape {array.shape}: MXNet has no arrays without numbers.')


def check_finite(path, arrays, is_saved=False):
    for symbol, array in arrays.items():
        wrong = array[~(abs(array) < math.inf)]
        if wrong.size:
            what = f'{symbol} holds numbers that are not finite, such as {wrong[0]}, so the model'
            raise ValueError(f'{what} in {path} is of no use: take an older one, or train again.' if is_saved else
                             f'{what} is of no use and was not saved to {path}: start again with a smaller learning '
                             'rate (lr) or a smaller clipping_theta.')


def check_symbols(path, arrays, symbols):
    if sorted(arrays) != sorted(symbols):
        raise ValueError(f'{path} holds the arrays {short.repr(sorted(arrays))}, but its metadata names '
                         f'{short.repr(symbols)}: give a file that save_checkpoint wrote.')


def check_hash(path, found, wanted):
    if found != wanted:
        raise ValueError(f'{path} is damaged, since its content has the checksum {found[:12]}… and was saved with '
                         f'{wanted[:12]}…: fetch or copy it again, or take an older one.')


def check_json(path, entries):
    for name, value in entries.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f'{name} of the checkpoint {path} is {short.repr(value)}, and JSON cannot write that '
                             f'({error}): use numbers, texts, lists and dictionaries only.') from error


def check_saved_size(path, size, largest, header, largest_header):
    if size > largest or header > largest_header:
        raise ValueError(f'The checkpoint {path} would have {size:,} bytes, {header:,} of them in its header, and at '
                         f'most {largest:,} and {largest_header:,} are read back: take a smaller model.')


def check_finite_params(params):
    if not all(math.isfinite(abs(param.asnumpy()).max()) for param in params):
        raise FloatingPointError('The parameters have grown beyond all bounds: start again with a smaller learning '
                                 'rate (lr), or with gradient clipping (clipping_theta).')


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
    check_run_settings(path, checkpoint.settings, checkpoint.num_hiddens)
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
