"""The page with a remark on each line of the chapter: it is as generated, and no line and no remark stands alone."""
import ast
import re

import build_chapter
import pytest
from conftest import ROOT

FILES = ['rnn_scratch/data.py', 'rnn_scratch/onehot.py', 'rnn_scratch/params.py', 'rnn_scratch/model.py',
         'rnn_scratch/predict.py', 'rnn_scratch/clipping.py', 'rnn_scratch/perplexity.py', 'rnn_scratch/training.py',
         'examples/train_jaychou.py']
SOURCE = 'import math   # numbers\n\n\ndef f(x):\n    """A docstring."""\n    return (x or\n            1)\n'
BLOCK = 'import math\n    Numbers.\ndef f(x):\n    A function.\nreturn (x or\n    One,\n    two.\n1)\n    Three.\n'


def lines_of_python(name):
    """By Python's own parser: the lines of all statements but docstrings, without what stands after a #."""
    source = (ROOT / name).read_text('utf-8')
    lines, found, docstrings = source.splitlines(), set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            (docstrings if is_docstring else found).update(range(node.lineno, node.end_lineno + 1))
    code = [re.sub(r'(^|\s+)# .*', '', lines[number - 1].strip()) for number in sorted(found - docstrings)]
    return [line for line in code if line]


def test_the_page_is_as_generated():
    assert build_chapter.PAGE.read_text('utf-8') == build_chapter.page(), 'python tools/build_chapter.py'


def test_every_line_of_the_chapter_stands_on_the_page_with_a_remark_in_chinese():
    tables = re.findall(r'^\| 代码 \| 说明 \|\n\| --- \| --- \|\n((?:\|.*\n)+)', build_chapter.PAGE.read_text('utf-8'),
                        re.MULTILINE)
    assert len(tables) == len(FILES)
    for name, rows in zip(FILES, tables):
        pairs = re.findall(r'^\| `[\u00a0]*(.*?)` \| (.*) \|$', rows, re.MULTILINE)
        assert [code for code, _ in pairs] == lines_of_python(name), name
        assert all(re.search('[\u4e00-\u9fff]', remark) for _, remark in pairs)


def test_a_line_and_its_remark_are_paired():
    pairs = build_chapter.with_remarks('a.py', SOURCE, BLOCK)
    assert pairs == [('import math', 'Numbers.'), ('def f(x):', 'A function.'), ('    return (x or', 'One, two.'),
                     ('            1)', 'Three.')]
    assert '| `\u00a0\u00a0\u00a0\u00a0return (x or` | One, two. |' in build_chapter.table(pairs)


@pytest.mark.parametrize('source, block, message', [
    (SOURCE.replace('    return', '    x = 2\n    return'), BLOCK, r'a.py, line 6, .*x = 2'),
    (SOURCE + 'f(1)\n', BLOCK, r'a.py, line 8, .*f\(1\)'),
    (SOURCE, BLOCK.replace('import math\n    Numbers.\n', ''), r'a.py, line 1, .*import math'),
    (SOURCE, BLOCK.replace('    Numbers.\n', ''), r'a.py, line 1, .*import math'),
    (SOURCE, BLOCK + 'f(1)\n    Four.\n', r'a.py has no more lines .*f\(1\)'),
    (SOURCE.replace('import math', 'import cmath'), BLOCK, r'a.py, line 1, .*import cmath'),
], ids=['new line', 'new last line', 'no remark', 'empty remark', 'no line', 'changed line'])
def test_what_stands_alone_is_named(source, block, message):
    with pytest.raises(ValueError, match=message):
        build_chapter.with_remarks('a.py', source, block)


def test_all_settings_of_a_run_are_in_the_table():
    """What the chapter's function is given to set, and the size of the first weights."""
    page = build_chapter.PAGE.read_text('utf-8')
    table, = re.findall(r'^\| 超参数 .*\n((?:\|.*\n)+)', page, re.MULTILINE)
    for name in ['num_hiddens', 'num_steps', 'batch_size', 'lr', 'clipping_theta', 'num_epochs', 'scale',
                 'is_random_iter', 'pred_period', 'pred_len', 'num_chars']:
        assert f'`{name}`' in table, name
    assert set(build_chapter.SETTINGS) <= set(re.findall(r'`(\w+)`', table))
