"""The example programs, run as a reader runs them."""
import re

import pytest
from conftest import ROOT

TRAIN = ROOT / 'examples/train_jaychou.py'
TRACE = ROOT / 'examples/trace_prediction.py'
LINE = re.compile(r'epoch (\d+), perplexity (\d+\.\d{6}), time \d+\.\d\d sec')


def test_two_epochs_of_both_samplings(run):
    result = run(TRAIN, '--epochs', 2, '--pred-period', 1, '--pred-len', 10)
    assert (result.returncode, result.stderr) == (0, ''), 'in a pipe there is no progress bar'
    lines = result.stdout.splitlines()
    assert lines[0] == 'random sampling (随机采样)' and lines[7] == 'consecutive sampling (相邻采样)'
    for start in [1, 8]:
        first, second = (LINE.fullmatch(lines[start + offset]) for offset in [0, 3])
        assert (first[1], second[1]) == ('1', '2')
        assert 1027 * 1.2 > float(first[2]) > float(second[2])
        for offset, prefix in [(1, '分开'), (2, '不分开'), (4, '分开'), (5, '不分开')]:
            assert re.fullmatch(f' - {prefix}.{{10}}', lines[start + offset])
    assert len(lines) == 14


def test_every_flag(run, tmp_path):
    (tmp_path / 'song.txt').write_text('风吹雨打风不怕 ' * 40, 'utf-8')
    result = run(TRAIN, '--sampling', 'consecutive', '--epochs', 4, '--corpus', 'song.txt', '--num-chars', 200,
                 '--hidden', 8, '--num-steps', 5, '--batch-size', 4, '--lr', 1, '--theta', 'none', '--pred-period', 2,
                 '--pred-len', 3, '--prefix', '风', '--prefix', '雨打', '--seed', 7)
    assert (result.returncode, result.stderr) == (0, '')
    lines = result.stdout.splitlines()
    assert [LINE.fullmatch(lines[i])[1] for i in [1, 4]] == ['2', '4']
    assert [len(lines[i]) for i in [2, 3, 5, 6]] == [len(' - 风***'), len(' - 雨打***')] * 2
    assert len(lines) == 7


def test_one_seed_gives_the_same_digits_alone_and_in_turn(run):
    settings = ['--epochs', 1, '--pred-period', 1, '--num-chars', 2000, '--hidden', 16, '--seed', 3]
    both = re.findall(r'perplexity (\S+),', run(TRAIN, *settings).stdout)
    alone = re.findall(r'perplexity (\S+),', run(TRAIN, *settings, '--sampling', 'consecutive').stdout)
    assert len(both) == 2 and both[1:] == alone


@pytest.mark.parametrize('flags, message', [
    (['--corpus', 'nowhere.zip'], 'There is no corpus at nowhere.zip'),
    (['--prefix', '龘'], "'龘'"),
    (['--theta', '0'], 'theta'),
    (['--num-chars', '100'], '100 characters'),
])
def test_a_mistake_is_one_sentence(run, flags, message):
    result = run(TRAIN, *flags)
    assert result.returncode == 1
    sentence, = result.stderr.splitlines()
    assert message in sentence


def test_help_names_every_flag_of_the_chapter(run):
    shown = run(TRAIN, '--help', COLUMNS='120').stdout
    for flag in ['--sampling', '--epochs', '--corpus', '--num-chars', '--hidden', '--num-steps', '--batch-size', '--lr',
                 '--theta', '--pred-period', '--pred-len', '--prefix', '--seed']:
        assert f'\n  {flag} ' in shown


def test_the_walk_through_prediction(run):
    result = run(TRACE, '--prefix', '不分开', '--num-chars', 3)
    assert result.returncode == 0, result.stderr
    *steps, text = result.stdout.splitlines()
    assert len(steps) == 5 and len(text) == 6 and text.startswith('不分开')
    for t, step in enumerate(steps):
        fed, following, origin, so_far = re.fullmatch(
            rf"t={t} +in '(.)' = \d+ +one-hot \(1, 1027\)  next '(.)' (given|predicted) +(.+)", step).groups()
        assert (fed, following, so_far) == (text[t], text[t + 1], text[:t + 2])
        assert origin == ('given' if t < 2 else 'predicted')
