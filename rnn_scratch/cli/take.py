"""python -m rnn_scratch export · download · doctor: what goes out of here, what comes in, and what a machine lacks."""
import sys
from pathlib import Path

from ..beyond.corpus import printable
from . import flags
from .write import load


def add_export(commands):
    parser = flags.add_command(
        commands, export, 'write a model as a file for PyTorch, for ONNX Runtime, or for a browser',
        epilog='docs/leaving-mxnet.md shows how such a file is loaded there. A page needs only a browser.')
    parser.add_argument('model', nargs='*', type=Path, metavar='MODEL',
                        help='the .safetensors file (default: the newest one under runs/); a page takes several')
    parser.add_argument('--to', choices=['pytorch', 'onnx', 'html'], required=True, help='what the file is for')
    parser.add_argument('--out', type=flags.path, required=True, metavar='FILE', help='where it goes: a new file, '
                        'whose name ends in .safetensors for PyTorch, in .onnx for ONNX, in .html for a page')


def add_download(commands):
    parser = flags.add_command(
        commands, download, "fetch the book's own lyrics", "Fetch the book's own lyrics into MXNet's data folder and "
        'print the path to pass on to --corpus. The lyrics belong to their owners.')
    parser.add_argument('--url', help='another address of the same archive')


def add_doctor(commands):
    flags.add_command(
        commands, doctor, 'say what this machine has, what is wrong, and how to mend it', 'Say what this machine has, '
        'what is wrong with it, and the command that mends it: also what a question to others should contain.')


def export(args):
    from ..beyond.export import layer_for, to_onnx, to_pytorch
    from ..beyond.folders import newest_run
    from ..beyond.page import to_html
    paths = args.model or newest_run()[-1:]
    if args.to != 'html' and len(paths) > 1:
        raise ValueError(f'A file for {args.to} has one model, and {len(paths)} were given: name one.')
    checkpoints = [load(path) for path in paths]
    saved = f'saved to {printable(str(args.out))}'
    if args.to == 'html':
        to_html([*zip(flags.names_of(paths), checkpoints)], args.out)
        print(f'{saved}: open it in a browser')
    elif args.to == 'onnx':
        to_onnx(checkpoints[0], args.out)
        print(saved)
    else:
        to_pytorch(checkpoints[0], args.out)
        print(f'{saved}: weights for rnn = {layer_for(checkpoints[0])} and linear = '
              f'nn.Linear({checkpoints[0].num_hiddens}, {len(checkpoints[0].idx_to_char)})')


def download(args):
    from ..beyond.download import BOOK_URL, download_book_corpus
    print(download_book_corpus(args.url or BOOK_URL))


def doctor(args):
    """From a terminal it does not come here: the package runs the doctor before it imports MXNet."""
    from .._doctor import main
    sys.exit(main())
