"""python -m rnn_scratch write: a song as it is found, several of them, and what of them is copied."""
import contextlib
import itertools
import math
import random
import sys
import unicodedata
from functools import partial

from .. import _checks
from ..beyond.corpus import PREFIXES, laid_out, trained_text
from ..beyond.evaluation import copied
from ..beyond.sampling import sampler
from ..beyond.settings import LONGEST_SONG, whole
from ..predict import greedy
from . import flags
from .shell import note

COLUMN = 26     # cells of the terminal; a Chinese character takes two


def add_write(commands):
    parser = flags.add_command(commands, write, 'let a model write a song',
                               epilog='Name the model before --temperature, which takes all that follows.')
    flags.add_model(parser)
    parser.add_argument('--prefix', type=flags.song, help='how the song begins (default: 分开, or a character that the '
                                                    'model knows where it does not know these)')
    flags.add(parser, 'num_chars', int, whole(0, _checks.LONGEST_TEXT), default=200,
              help='how many characters to write after it (default: 200)')
    flags.add(parser, 'temperature', float, partial(_checks.number, '0 or above', lambda x: 0 <= x < math.inf),
              nargs='+', default=[0.8], help="how bold to be: 0 is greedy, 1 the model's own distribution; several "
                                             'stand side by side (default: 0.8)')
    # The sampler itself knows the bounds of these.
    flags.add(parser, 'top_k', int, sampler, help='pick among the k most probable characters only')
    flags.add(parser, 'top_p', float, sampler,
              help='pick among the most probable characters that reach this probability together')
    flags.add(parser, 'seed', int, sampler, help='the same seed gives the same song')
    flags.add(parser, 'songs', int, whole(1, 1000), default=1,
              help='how many to write: the first has the --seed (or one that is drawn and printed), the second '
                   'the number after it (default: 1)')
    parser.add_argument('--copied', action='store_true',
                        help='say how much of the song stands word for word in the text that the model was trained on, '
                             'and show it in colour on a terminal')
    parser.add_argument('--corpus', type=flags.path, metavar='PATH',
                        help='with --copied: where that text is now (default: where the training read it)')
    parser.add_argument('--interactive', action='store_true', help='type a prefix, read on, type another')


def write(args):
    """Print a song, or one after the other for the prefixes that are typed."""
    from ..beyond.folders import newest_run
    if args.corpus and not args.copied:
        raise ValueError(f'--corpus {args.corpus} is for the comparison with the text: give --copied, too.')
    if args.songs > 1 and (args.interactive or len(args.temperature) > 1 or 0 in args.temperature):
        raise ValueError(f'--songs {args.songs} draws at random: give one --temperature above 0, and leave '
                         '--interactive out.')
    args.model = args.model or newest_run()[-1]
    checkpoint = load(args.model)
    corpus = trained_text(args.model, checkpoint, args.corpus) if args.copied else None
    if args.num_chars > LONGEST_SONG and (args.copied or args.songs > 1 or len(args.temperature) > 1):
        raise ValueError(f'--num-chars {args.num_chars} is too many for songs that are kept until they are whole, as '
                         f'with --copied, --songs or several temperatures: {LONGEST_SONG:,} at most.')
    if args.prefix is not None or not args.interactive:
        write_song(checkpoint, beginning(checkpoint) if args.prefix is None else args.prefix, args, corpus)
    if not args.interactive:
        return
    with contextlib.suppress(EOFError):
        while True:
            prefix = input('prefix> ')
            try:
                write_song(checkpoint, prefix, args, corpus)
            except (ValueError, FloatingPointError) as error:
                print(error)
    print()


def beginning(checkpoint):
    """Where no prefix is given: the chapter's or, where the model does not know it, the first letter that it knows."""
    known = checkpoint.idx_to_char
    if set(PREFIXES[0]) <= set(known):
        return PREFIXES[0]
    entry = next(filter(str.isalpha, known), known[0])
    prefix = entry if len(entry) == 1 else [entry]
    note(f'(the model does not know {PREFIXES[0]}: the song begins with {prefix!r}; --prefix takes another beginning)')
    return prefix


def load(path):
    """The model in a file, with a word on it."""
    from ..beyond.checkpoint import load_checkpoint
    checkpoint = load_checkpoint(path)      # on the CPU: one character at a time, a GPU has nothing to do
    note(f'{path}: {checkpoint}')
    return checkpoint


def write_song(checkpoint, prefix, args, corpus):
    """Print a song as it is written; several, --copied, or a greedy one of the fused engine, when they are whole."""
    temperatures, sampling = args.temperature, {'top_k': args.top_k, 'top_p': args.top_p}
    if args.songs > 1:
        first = random.randrange(10 ** 6) if args.seed is None else args.seed
        seeds = range(first, first + args.songs)
        names = [f'seed {seed}' for seed in seeds]
        songs = checkpoint.predict_many(prefix, args.num_chars, seeds=seeds, temperature=temperatures[0], **sampling)
    else:
        picks = [greedy if t == 0 else sampler(t, seed=args.seed, **sampling) for t in temperatures]
        # Given `greedy` itself, and no function around it, that engine computes in 32 bits, as training does.
        is_quick = picks == [greedy] and checkpoint.engine == 'fused'
        if len(picks) == 1 and not (args.copied or is_quick):
            print_while_writing(checkpoint, prefix, args.num_chars, picks[0])
            return
        names = [f'temperature {t:g}' for t in temperatures]
        songs = [checkpoint.predict(prefix, args.num_chars, pick=pick) for pick in picks]
    found = [copied(song, corpus) for song in songs] if args.copied else []
    if len(temperatures) == 1:
        for name, song, result in itertools.zip_longest(names, songs, found):
            if args.songs > 1:
                print(f'--- {name}')
            print(in_colour(song, result.runs if result and sys.stdout.isatty() else [], checkpoint))
    else:
        columns = [[name, *wrap(laid_out(song, checkpoint).expandtabs(4))] for name, song in zip(names, songs)]
        for row in itertools.zip_longest(*columns, fillvalue=''):
            print(''.join(text + ' ' * (COLUMN - width(text)) for text in row).rstrip())
    for name, result in zip(names, found):
        print(f'{name}: {result}' if len(songs) > 1 else result)


def print_while_writing(checkpoint, prefix, num_chars, pick):
    waiting = ''        # a space, of which the next character says whether it is a line break

    def show(text):
        nonlocal waiting
        waiting += text
        if waiting != ' ' or checkpoint.settings.get('line_break') != '  ':
            print(laid_out(waiting, checkpoint), end='', flush=True)
            waiting = ''

    def pick_and_print(Y):
        X = pick(Y)
        show(checkpoint.idx_to_char[int(X.asscalar())])
        return X

    checkpoint.predict(prefix, 0)       # refuses a prefix that it does not know before anything is printed
    show(''.join(prefix))
    checkpoint.predict(prefix, num_chars, pick=pick_and_print)
    print(waiting)


def in_colour(song, runs, checkpoint):
    """The lines of a song for a terminal, with what is in a run in red."""
    red, text = {i for start, end in runs for i in range(start, end)}, ''
    for is_red, group in itertools.groupby(range(len(song)), red.__contains__):
        part = laid_out(''.join(song[i] for i in group), checkpoint)
        text += f'\033[31m{part}\033[0m' if is_red else part
    return text


def wrap(song):
    """Lines that fit a column with two cells to spare."""
    for line in song.split('\n'):
        row = ''
        for char in line:
            if width(row + char) > COLUMN - 2:
                yield row
                row = ''
            row += char
        yield row


def width(text):
    """Cells of a terminal: none for a mark that stands on the character before it."""
    return sum(0 if unicodedata.category(char) in ('Mn', 'Me', 'Cf') else
               2 if unicodedata.east_asian_width(char) in 'WF' else 1 for char in text)
