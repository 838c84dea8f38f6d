"""python -m rnn_scratch export · download · doctor: what goes out of here, what comes in, and what a machine lacks."""
import sys

from . import flags
from .write import load


def add_export(commands):
    parser = flags.add_command(
        commands, export, 'write a model as a file for PyTorch or for ONNX Runtime',
        epilog='docs/leaving-mxnet.md shows how such a file is loaded there and writes a song.')
    flags.add_model(parser)
    parser.add_argument('--to', choices=['pytorch', 'onnx'], required=True, help='what the file is for')
    parser.add_argument('--out', type=flags.path, required=True, metavar='FILE', help='where it goes: a new file, '
                        'whose name ends in .safetensors for PyTorch, in .onnx for ONNX')


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
    checkpoint = load(args)
    if args.to == 'onnx':
        to_onnx(checkpoint, args.out)
        print(f'saved to {args.out}')
    else:
        to_pytorch(checkpoint, args.out)
        print(f'saved to {args.out}: weights for rnn = {layer_for(checkpoint)} and linear = '
              f'nn.Linear({checkpoint.num_hiddens}, {len(checkpoint.idx_to_char)})')


def download(args):
    from ..beyond.download import BOOK_URL, download_book_corpus
    print(download_book_corpus(args.url or BOOK_URL))


def doctor(args):
    """From a terminal it does not come here: the package runs the doctor before it imports MXNet."""
    from .._doctor import main
    sys.exit(main())
