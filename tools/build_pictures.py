"""Draw the pictures that explain the chapter to a class, docs/unrolled.svg and docs/sampling.svg:

    python tools/build_pictures.py

They are text in SVG, so they stay sharp on a projector, and the reader's own font shows the Chinese. What a model has
learnt is drawn by the walk-through (tools/build_walkthrough.py).
"""
import random
from pathlib import Path

import rnn_scratch as d2l

DOCS = Path(__file__).resolve().parent.parent / 'docs'
BLUE, ORANGE, GREEN, RED = '#9ecae1', '#fdbe85', '#a1d99b', '#d62728'


def text(x, y, content, size=15, colour='black', anchor='middle'):
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{content}</text>'


def box(x, y, content, colour, width=60, height=36):
    """A box around its middle (x, y)."""
    return (f'<rect x="{x - width / 2}" y="{y - height / 2}" width="{width}" height="{height}" rx="6" fill="{colour}" '
            f'stroke="black"/>' + text(x, y + 5, content))


def arrow(points, kind):
    """An arrow along points [(x, y), …]: kind is `forward`, `back` or `state`."""
    path = 'M ' + ' L '.join(f'{x} {y}' for x, y in points)
    dashes = ' stroke-dasharray="7 4"' if kind == 'back' else ''
    colour = RED if kind == 'back' else 'black'
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes} marker-end="url(#{kind})"/>'


def drawing(width, height, parts):
    """The whole picture, on white, because a page may be dark."""
    heads = ''.join(f'<marker id="{kind}" markerUnits="userSpaceOnUse" markerWidth="12" markerHeight="10" refX="11" '
                    f'refY="5" orient="auto"><path d="M 0 0 L 12 5 L 0 10 z" fill="{colour}"/></marker>'
                    for kind, colour in [('forward', 'black'), ('back', RED)])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif">\n<defs>{heads}</defs>\n<rect width="{width}" height="{height}" fill="white"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')


def unrolled():
    """Two mini-batches of three time steps: the state goes on, the gradient goes back, and is cut at `detach`."""
    parts, columns = [], [110, 240, 370, 590, 720, 850]
    for x, name in [(30, '前一个小批量  the mini-batch before'), (510, '这一个小批量  this mini-batch')]:
        parts += [f'<rect x="{x}" y="44" width="420" height="276" rx="10" fill="#f6f6f6"/>', text(x + 210, 34, name)]
    for i, x in enumerate(columns):
        t = i % 3 + 1
        parts += [box(x, 290, f'X{t}', BLUE), box(x, 200, f'H{t}', ORANGE), box(x, 110, f'Y{t}', GREEN),
                  text(x, 72, '损失 loss', 12), arrow([(x - 10, 272), (x - 10, 220)], 'forward'),
                  arrow([(x - 10, 182), (x - 10, 130)], 'forward'), arrow([(x + 10, 128), (x + 10, 180)], 'back')]
        if i != 3:          # from the time step before
            parts += [arrow([(x - (60 if t == 1 else 98), 193), (x - 32, 193)], 'forward')]
        if t > 1:
            parts += [arrow([(x - 32, 208), (x - 98, 208)], 'back')]
    parts += [arrow([(402, 193), (558, 193)], 'forward'), arrow([(558, 208), (490, 208)], 'back'),
              '<path d="M 480 56 L 480 308" stroke="black" stroke-width="2" stroke-dasharray="3 4"/>',
              f'<path d="M 474 202 L 486 214 M 486 202 L 474 214" stroke="{RED}" stroke-width="3"/>',
              text(480, 340, 'detach：值过去，梯度过不去'),
              text(480, 360, 'the values pass, the gradient does not', 13), text(32, 197, 'H0', 13),
              text(110, 350, '→ 往前算：状态传下去', 14, anchor='start'),
              text(110, 370, 'forward: the state goes on', 12, anchor='start'),
              text(660, 350, '← 往回传：梯度', 14, RED, 'start'),
              text(660, 370, 'backward: the gradient', 12, RED, 'start')]
    return drawing(960, 384, parts)


def cells(x, y, numbers, colours):
    """A row of numbers, each in a cell of its colour."""
    return [f'<rect x="{x + 30 * i}" y="{y}" width="30" height="30" fill="{colours.get(number, "white")}" '
            f'stroke="#888"/>' + text(x + 30 * i + 15, y + 20, number, 13) for i, number in enumerate(numbers)]


def zero(x, y):
    """The state of zeros that comes into the window whose first cell is at (x, y)."""
    return [text(x + 15, y - 24, '0', 16, RED), arrow([(x + 15, y - 20), (x + 15, y - 3)], 'forward')]


def sampling():
    """Where the two ways to sample take their windows, and which state each window begins with."""
    numbers, palette, parts = list(range(30)), [BLUE, ORANGE], []
    random.seed(0)
    for name, data_iter in [('random', d2l.data_iter_random), ('consecutive', d2l.data_iter_consecutive)]:
        batches = [X.asnumpy().astype(int).tolist() for X, _ in data_iter(numbers, batch_size=2, num_steps=6)]
        colours = {i: palette[b] for b, X in enumerate(batches) for row in X for i in row}
        if name == 'random':
            parts += [text(30, 34, '随机采样：窗口洗过牌，每个窗口都从 0 开始', 16, anchor='start'),
                      text(30, 54, 'random: the windows are shuffled, and each begins with a state of zeros', 13,
                           anchor='start'), *cells(30, 104, numbers, colours)]
            for b, X in enumerate(batches):
                for i, row in enumerate(X):
                    parts += [*zero(30 + 30 * row[0], 104),
                              text(30 + 30 * row[0] + 90, 152, f'小批量 batch {b}，行 row {i}', 12)]
            continue
        parts += [text(30, 194, '相邻采样：折成 2 行；迭代周期开头是 0，以后状态顺着行传下去', 16, anchor='start'),
                  text(30, 214, 'consecutive: folded into 2 rows; zeros at the start of an epoch, then the state goes '
                       'on along the row', 13, anchor='start')]
        for i in range(2):
            y, first = 264 + 96 * i, batches[0][i][0]
            parts += [*cells(30, y, range(first, first + 15), colours), *zero(30, y),
                      arrow([(195, y - 3), (195, y - 14), (225, y - 14), (225, y - 3)], 'forward'),
                      text(210, y - 20, '状态 H', 13), text(500, y + 20, f'行 row {i}', 14, anchor='start')]
            parts += [text(30 + 30 * (X[i][0] - first) + 90, y + 46, f'小批量 batch {b}', 12)
                      for b, X in enumerate(batches)]
    parts += [text(590, 290, '白色：从来不当输入', 14, anchor='start'),
              text(590, 310, 'white: never an input', 12, anchor='start')]
    return drawing(960, 420, parts)


PICTURES = {'unrolled.svg': unrolled, 'sampling.svg': sampling}

if __name__ == '__main__':
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), 'utf-8')
