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
    assert stored.metadata.fingerprint == fingerprint(stored), 'to store new ones: python tools/build_walkthrough.py'
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


def check_what_the_text_says(notebook):
    """The text between the cells speaks of numbers that vary with the machine: they must bear it out."""
    everything = '\n'.join(map(printed, code_cells(notebook)))

    def numbers(pattern):
        return [float(number) for number in re.findall(pattern, everything)]

    assert numbers(r'2000 steps, (\S+)% of them clipped') == [100, 100]
    # Random sampling, then consecutive sampling
    first, rest = numbers(r'places 1 to 1: perplexity (\S+)'), numbers(r'places 6 to 35: perplexity (\S+)')
    assert first[0] / rest[0] > 10 and 1 < first[1] / rest[1] < 5
    trained_on, held_out = numbers(r'trained on .* (\S+)\n'), numbers(r'held out  .* (\S+)   *\S+ at epoch')
    best, (unigram,) = numbers(r'(\S+) at epoch'), numbers(r'unigram model, held out: (\d+)')
    assert len(trained_on) == len(held_out) == len(best) == 2
    # "About as good as the unigram model": by a fifth better or worse, for the best epoch of a run moves with rounding.
    assert max(trained_on) < 5 and min(held_out) > 1027 and all(0.8 < p / unigram < 1.2 for p in best)
    # Two numbers for greedy, and for each of three temperatures: the longest piece, and the share in percent
    copied = [float(number.rstrip('%')) for number in re.findall(r'^  250(.*)$', everything, re.MULTILINE)[0].split()]
    (unseen,), (share,) = numbers(r'held-out text: +(\S+)'), numbers(r'held-out text: +\S+ +(\d+)%')
    assert copied[0] > unseen and copied[2] > unseen > copied[6]
    assert copied[1] > share and copied[3] > share >= copied[7]


def test_the_stored_numbers_bear_out_the_text(stored):
    check_what_the_text_says(stored)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(stored):
    """In a process of its own; what does not vary with the machine is printed as it is stored."""
    fresh = execute(copy.deepcopy(stored))
    for cell, new in zip(code_cells(stored), code_cells(fresh)):
        if 'varies' not in cell.metadata.get('tags', []):
            assert printed(new) == printed(cell), cell.source
    check_what_the_text_says(fresh)
