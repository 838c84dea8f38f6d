"""Write docs/chapter.zh-CN.md, the chapter with a Chinese remark on each line: python tools/build_chapter.py

The text and the remarks live in tools/chapter.zh-CN.md and nowhere else; the code comes from the chapter's files. In
that text a block that begins with ```remarks and the name of a file has the file's lines of code, in their order and
without comments, each with its remark below it, four spaces in. The page has a table in its place. A line of code
without a remark, or a remark without a line, is an error that names it, and then no page is written.

    python tools/build_chapter.py --measure         the figures of the table of hyper-parameters (three minutes)
"""
import io
import random
import re
import sys
import tokenize
from itertools import zip_longest
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
TEXT, PAGE = ROOT / 'tools/chapter.zh-CN.md', ROOT / 'docs/chapter.zh-CN.md'
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
SETTINGS = {'num_hiddens': 32, 'num_steps': 35, 'lr': 100, 'clipping_theta': 0.01, 'batch_size': 8, 'num_epochs': 30,
            'scale': 0.01}


def code_lines(source):
    """The lines of code of a Python source, as (line number, line without its comment); no docstrings, no blank lines.

    >>> code_lines('\"\"\"A docstring.\"\"\"\\nfor t in range(2):   # twice\\n\\n    print(t)\\n')
    [(2, 'for t in range(2):'), (4, '    print(t)')]
    """
    lines, ends, new = source.splitlines(), {}, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE and not (new and token.type == tokenize.STRING):
            ends.update((number, len(lines[number - 1])) for number in range(token.start[0], token.end[0]))
            ends[token.end[0]] = token.end[1]
        new = token.type in NO_CODE and (new or token.type == tokenize.NEWLINE)     # at the start of a statement?
    return [(number, lines[number - 1][:end]) for number, end in sorted(ends.items())]


def with_remarks(name, source, block):
    """Each line of code of a file with its remark, as (code, remark). ValueError: one of them has no partner."""
    remarks = re.findall(r'^(\S.*)\n((?:    .*\n)*)', block, re.MULTILINE)
    pairs = []
    for (number, code), (written, remark) in zip_longest(code_lines(source), remarks, fillvalue=(None, None)):
        if code is None:
            raise ValueError(f'{TEXT.name}: {name} has no more lines of code, and a remark follows on: {written}')
        if code.strip() != written or not remark.strip():
            raise ValueError(f'{name}, line {number}, has no remark in {TEXT.name}: {code.strip()}\n'
                             f'What stands there: {written}')
        pairs.append((code, ' '.join(remark.split())))
    return pairs


def table(pairs):
    """A table in Markdown. The indentation is of spaces that do not break, because a table drops others."""
    rows = ['| 代码 | 说明 |', '| --- | --- |']
    for code, remark in pairs:
        code = code.replace('|', r'\|')         # a bar would end the cell
        indentation = '\u00a0' * (len(code) - len(code.lstrip()))
        rows.append(f'| `{indentation}{code.lstrip()}` | {remark} |')
    return '\n'.join(rows) + '\n'


def page():
    """The whole page, as text."""
    def replace(block):
        return table(with_remarks(block[1], (ROOT / block[1]).read_text('utf-8'), block[2]))

    return re.sub(r'^```remarks (\S+)\n(.*?)^```\n', replace, TEXT.read_text('utf-8'), flags=re.DOTALL | re.MULTILINE)


def measure():
    """Print perplexity and number of updates, each hyper-parameter doubled in turn; the median of five seeds."""
    import rnn_scratch as d2l
    from rnn_scratch.beyond import fused

    import mxnet as mx

    corpus_indices, _, _, vocab_size = d2l.load_data_jay_lyrics(num_chars=2000)
    ctx = mx.cpu()
    for name in ['', *SETTINGS]:
        settings = {**SETTINGS, **({name: 2 * SETTINGS[name]} if name else {})}
        h, T, lr, theta, n, num_epochs, scale = settings.values()
        found = []
        for seed in range(5):
            random.seed(seed)
            mx.random.seed(seed)
            params = d2l.get_params(vocab_size, h, vocab_size, ctx)
            for param in params:
                param *= scale / 0.01
            for _ in range(num_epochs):
                perplexity = fused.train_epoch(d2l.rnn, params, d2l.init_rnn_state, h, vocab_size, ctx, corpus_indices,
                                               True, T, lr, theta, n)
            found.append(perplexity)
        updates = num_epochs * ((len(corpus_indices) - 1) // T // n)
        print(f'{"2 × " + name if name else "as it is":20}{updates:5} updates{median(found):8.1f}    from '
              f'{min(found):.1f} to {max(found):.1f}')


if __name__ == '__main__':
    if sys.argv[1:] == ['--measure']:
        measure()
    else:
        try:
            PAGE.write_text(page(), 'utf-8')
        except ValueError as error:
            sys.exit(str(error))
