"""Count the cases of each kind of bad input and fault that the tests try: the table of docs/reliability.md.

    python tests/reliability.py             writes the table
    python tests/reliability.py --check     says whether it is as it should be

A case is a test that pytest finds, with one set of arguments. A property that hypothesis tries counts with the number
of its examples, and a test that is marked `cases(n)` as n.
"""
import contextlib
import io
import re
import sys
from pathlib import Path

import faults
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs/reliability.md'

# A kind, what the user sees, and which tests try it: regular expressions for `file.py::test_name[arguments]`.
KINDS = [
    ('Ctrl-C, SIGTERM, SIGHUP or Ctrl-\\ while it trains, once or many times',
     'the last whole epoch is saved; a line says where, and the command to go on', [
         r'test_faults.py::test_a_signal_(in_the_middle|inside|while)', 'test_faults.py::test_signals_among',
         'test_faults.py::test_signals_that_do_not_end',
         'test_faults.py::test_in_the_background', 'test_faults.py::test_the_terminal',
         r'test_resume.py::test_bit_by_bit\[(Ctrl|SIG)']),
    ('the same in another command, or while the program starts', 'the word `stopped`', [
        'test_faults.py::test_a_signal_in_each_command', 'test_faults.py::test_ctrl_c',
        'test_faults.py::test_an_array']),
    ('kill -9', 'the epoch that was saved last is there, whole', [
        r'test_resume.py::test_bit_by_bit\[kill', 'test_resume.py::test_two_hundred_kills',
        'test_faults.py::test_a_lock_dies']),
    ('all of these, a closed pipe and a full disk, at random moments',
     'the same; the resumed run has the digits of a run without a stop, to the bit',
     ['test_faults.py::test_a_fault_at_a_random_moment']),
    ('standard output that is full, or that nobody reads any more',
     'training saves and ends with a sentence; another command ends (quietly where the reader went away)', [
         r'test_faults.py::test_output_that_cannot_be_written\[(full|without)', 'test_faults.py::test_in_a_shell',
         'test_faults.py::test_training_ends_saved', 'test_faults.py::test_an_exception_while_a_line_is_printed',
         r'test_resume.py::test_bit_by_bit\[closed', 'test_program.py::test_a_character_is_shown_as_soon']),
    ('standard output that is closed from the start', 'nothing, as with `> /dev/null`; training goes on', [
        r'test_faults.py::test_output_that_cannot_be_written\[closed', 'test_faults.py::test_training_goes_on_']),
    ('a terminal that does not know a character (GBK, ASCII, …)', '? in its place', [
        'test_faults.py::test_characters_that_a_terminal', 'test_program.py::test_a_terminal_that_does_not_know',
        'test_program.py::test_what_is_typed_is_no_text']),
    ('a full disk, or a folder or name that cannot be written',
     'a sentence, before training where it can be known; later, the run ends and the files saved before stay', [
         'test_faults.py::test_a_full_disk', 'test_faults.py::test_a_disk_that', 'test_faults.py::test_a_small_disk',
         'test_faults.py::test_a_folder_that', 'test_faults.py::test_a_name_of', 'test_faults.py::test_no_room',
         'test_checkpoint.py::test_a_failed_save', 'test_program.py::test_a_folder_that_cannot_be_written',
         'test_pictures.py::test_a_picture_is_written_whole']),
    ('two processes in one folder, or for one file', 'a sentence with the number of the other process', [
        'test_faults.py::test_two_processes', 'test_faults.py::test_a_lock_that', 'test_faults.py::test_a_file_system',
        'test_faults.py::test_a_neighbour',
        'test_checkpoint.py::test_two_processes', 'test_pictures.py::test_of_many_at_once',
        'test_pictures.py::test_a_file_that_comes']),
    ('a name that is taken', 'a sentence, or another name; nothing is overwritten', [
        'test_program.py::test_a_run_is_not_overwritten', 'test_program.py::test_files_of_the_user',
        'test_program.py::test_a_picture_is_not_drawn_over', 'test_pictures.py::test_what_is_there_is_never']),
    ('a wrong flag or value on the command line', 'a sentence that names the flag and the value, before any work', [
        'test_program.py::test_a_bad_flag', 'test_program.py::test_a_mistake', 'test_program.py::test_a_model_larger',
        'test_program.py::test_text_and_units', 'test_program.py::test_songs_that_are_kept',
        'test_program.py::test_without_a_model', 'test_evaluation.py::test_where_nothing_can_be']),
    ('a run that cannot be resumed', 'a sentence; the files stay as they were', [
        'test_resume.py::test_what_cannot', 'test_resume.py::test_a_run_that', 'test_resume.py::test_a_best_model']),
    ('numbers that grow beyond all bounds', 'a sentence; the epoch before is kept', [
        'test_resume.py::test_numbers_that', 'test_resume.py::test_the_epoch_before', 'test_resume.py::test_a_held_out',
        'test_clipping.py::test_a_norm', 'test_training.py::test_without_clipping', 'test_fused.py::test_a_wild']),
    ('a damaged, foreign or crafted checkpoint', 'a sentence that names the entry or the array; nothing is executed', [
        'test_checkpoint.py::.*(named|noticed|refused|claim|damaged|crafted|hostile)']),
    ('a file that is no text to train on', 'a sentence that names the path, and what the file seems to be', [
        'test_data.py::.*(named|refused|must_be)', 'test_download.py::test_(a_wrong|no_net|the_command_says)']),
    ('a mistake in the arguments of a function', 'a sentence that names the value or the shape, before any work', [
        'test_mistakes.py', 'test_training.py::.*named', 'test_house.py::.*refuses',
        r'test_(model|fused|cells|onehot|params|perplexity|predict|clipping|sampling|evaluation|pictures).py::'
        '.*(quoted|refused|named|must|mistake)']),
    ('random sizes, texts and bytes', 'the right result, or one of these sentences', ['test_fuzz.py']),
    ('a machine where MXNet cannot start', 'a sentence with what is missing and how to get it', [
        r'test_platform.py::test_(a_variable|another|distutils|machines_without|missing|mxnet|numpy_too|products)',
        'test_install.py::test_(make_(looks|names|says)|setup)', 'test_doctor.py']),
]


class Collector:
    """What pytest finds: the name of each test, and how many cases it is."""

    def pytest_collection_finish(self, session):
        self.cases = {item.nodeid: number_of_cases(item) for item in session.items}


def number_of_cases(item):
    mark = item.get_closest_marker('cases')
    if mark:
        return mark.args[0]
    # A test of hypothesis has the settings that it was decorated with.
    settings = vars(item.obj).get('_hypothesis_internal_use_settings') if not isinstance(
        item, pytest.DoctestItem) else None
    return settings.max_examples if settings else 1


def collect():
    """The number of cases of each test under tests/."""
    collector, said = Collector(), io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', '--rootdir', str(ROOT),
                              str(ROOT / 'tests')], plugins=[collector])
    if status:
        sys.exit(said.getvalue())
    return collector.cases


def table(cases):
    """The table in Markdown; a kind that no test tries is named on standard error and left out."""
    rows = ['| what happens | cases | what the user sees |', '| --- | ---: | --- |']
    counted = set()
    for kind, sees, patterns in KINDS:
        tests = {name for name in cases if any(re.search(pattern, name) for pattern in patterns)} - counted
        for pattern in patterns:
            if not any(re.search(pattern, name) for name in cases):
                print(f'{kind}: no test fits {pattern}', file=sys.stderr)
        count = sum(cases[name] for name in tests)
        counted |= tests
        if count:
            rows.append(f'| {kind} | {count:,} | {sees} |')
    return '\n'.join([*rows, f'| together | {sum(map(cases.get, counted)):,} | |'])


def main():
    before, begin, rest = PAGE.read_text('utf-8').partition('<!-- cases -->')
    _, end, after = rest.partition('<!-- /cases -->')
    assert end, f'{PAGE} has no marks for the table'
    page = f'{before}{begin}\n\n{table(collect())}\n\n{end}{after}'
    rounds = re.search(r'tries (\d+) rounds', page)
    assert rounds and int(rounds[1]) == faults.ROUNDS, f'{PAGE} has another number of rounds than tests/faults.py'
    if sys.argv[1:] == ['--check']:
        if page != PAGE.read_text('utf-8'):
            sys.exit(f'The table of {PAGE} is not that of the tests: python tests/reliability.py writes it.')
    else:
        PAGE.write_text(page, 'utf-8')


if __name__ == '__main__':
    main()
