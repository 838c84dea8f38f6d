"""The walk-through: it is stored with the outputs of its own code, reads in both languages, and runs to its end."""
import copy
import re

import nbformat
import pytest
from build_walkthrough import PATH, execute, fingerprint


@pytest.fixture(scope='module')
def stored():
    return nbformat.read(PATH, 4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def printed(cell):
    """The text that a cell printed, and that of its result; not its pictures."""
    return ''.join(output.text if output.output_type == 'stream' else output.data.get('text/plain', '') + '\n'
                   for output in cell.outputs)


def test_the_outputs_are_not_older_than_the_code(stored):
    assert stored.metadata.fingerprint == fingerprint(stored), 'to store new ones: python tests/build_walkthrough.py'
    changed = copy.deepcopy(stored)
    code_cells(changed)[-1].source += '\nprint(1)'
    assert stored.metadata.fingerprint != fingerprint(changed)


def test_every_cell_ran_once_and_none_failed_or_warned(stored):
    cells = code_cells(stored)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == 'error' or output.get('name') == 'stderr']


def test_what_the_reader_gets(stored):
    """Short cells, every text in Chinese and, below it, in English, ten pictures or more, and a small file."""
    assert max(cell.source.count('\n') + 1 for cell in code_cells(stored)) <= 15
    for cell in stored.cells:
        if cell.cell_type == 'markdown':
            words = re.sub('`.*?`', '', cell.source)
            chinese, english = re.search('[\u4e00-\u9fff]', words), re.search('[A-Za-z]+ [a-z]+ [a-z]+', words)
            assert chinese and english and chinese.start() < english.start(), cell.source
    outputs = [output for cell in code_cells(stored) for output in cell.outputs]
    assert sum('image/png' in output.get('data', {}) for output in outputs) >= 10
    assert PATH.stat().st_size < 1_500_000


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(stored):
    """In a process of its own; what does not vary with the machine is printed as it is stored."""
    fresh = execute(copy.deepcopy(stored))
    for cell, new in zip(code_cells(stored), code_cells(fresh)):
        if 'varies' not in cell.metadata.get('tags', []):
            assert printed(new) == printed(cell), cell.source
    everything = '\n'.join(map(printed, code_cells(fresh)))
    # What the text between the cells says of the numbers that vary
    assert re.findall(r'2000 steps, (\S+) of them clipped', everything) == ['100.00%', '100.00%']
    perplexities = {name: [float(number) for number in numbers] for name, *numbers in re.findall(
        r'(random|consecutive), places 1 to 1: perplexity (\S+)\n.*\n.*6 to 35: perplexity (\S+)\n', everything)}
    assert perplexities['random'][0] > 10 * perplexities['random'][1]
    assert perplexities['consecutive'][0] < 2 * perplexities['consecutive'][1]
    trained_on = [float(line.split()[-1]) for line in re.findall('trained on.*', everything)]
    held_out = [float(line.split()[6]) for line in re.findall('held out  .*', everything)]
    assert len(trained_on) == len(held_out) == 2 and max(trained_on) < 5 and min(held_out) > 1027
