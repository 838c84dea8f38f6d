"""Each setting is stated once: its default is the chapter's everywhere, and each way in has the same bounds."""
import re
import sys

from rnn_scratch.__main__ import parse_arguments
from rnn_scratch.beyond.checkpoint import load_checkpoint
from rnn_scratch.beyond.corpus import Corpus
from rnn_scratch.beyond.run import Run
from rnn_scratch.beyond.settings import Plan, Settings
from rnn_scratch.cli import flags
from rnn_scratch.cli.train import new_settings

import numpy as np
import pytest
from conftest import ROOT

WRONG = [
    (Settings, 'sampling', 'both', 'sampling must be one of random, consecutive'),
    (Settings, 'corpus', 3, 'corpus must be a path, as a text'),
    (Settings, 'corpus', 'a\udcff', 'is not in UTF-8'),
    (Settings, 'num_chars', -1, 'num_chars must be a whole number, 0 or more'),
    (Settings, 'holdout', 1.0, 'holdout must be from 0 to less than 1'),
    (Settings, 'holdout', '0.1', 'holdout must be from 0 to less than 1'),
    (Settings, 'hidden', 0, 'hidden must be a whole number, 1 or more'),
    (Settings, 'hidden', 2.0, 'hidden must be a whole number'),
    (Settings, 'num_steps', True, 'num_steps must be a whole number'),
    (Settings, 'batch_size', None, 'batch_size must be a whole number'),
    (Settings, 'lr', 0, 'lr must be above 0'),
    (Settings, 'lr', 3.4e38, 'lr must be above 0'),
    (Settings, 'lr', None, 'lr must be above 0'),
    (Settings, 'theta', 0.0, 'theta must be above 0'),
    (Settings, 'theta', float('nan'), 'theta must be above 0'),
    (Settings, 'seed', 1.5, 'seed must be a whole number'),
    (Settings, 'cell', 'mine', 'cell must be one of rnn, gru, lstm, relu'),
    (Settings, 'engine', ['fused'], 'engine must be one of fused, tutorial'),
    (Settings, 'cell', 'gru', "The fused engine computes the chapter's cell only"),
    (Plan, 'epochs', 0, 'epochs must be a whole number, 1 or more'),
    (Plan, 'stop_at', 0.5, 'stop_at must be 1 or more, as each perplexity is'),
    (Plan, 'patience', 0, 'patience must be a whole number, 1 or more'),
    (Plan, 'pred_period', 0, 'pred_period must be a whole number, 1 or more'),
    (Plan, 'pred_len', 10_001, 'pred_len must be a whole number, at most 10000'),
    (Plan, 'prefix', '分开', 'prefix must be a list of texts'),
    (Plan, 'prefix', ['分开', 3], "prefix must be a list of texts, not ['分开', 3]"),
    (Settings, 'theta', float('inf'), 'theta must be above 0 and finite'),
    (Plan, 'save_every', -1, 'save_every must be a whole number, 1 or more'),
    (Plan, 'restarts', -1, 'restarts must be a whole number, 0 or more'),
]


@pytest.mark.parametrize('kind, name, value, message', WRONG)
def test_what_is_wrong_cannot_be_made(kind, name, value, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        kind(**{name: value})
    assert message in str(caught.value) and '\n' not in str(caught.value) and str(caught.value).endswith('.')


def test_what_is_right_has_the_types_of_the_fields():
    """So that a checkpoint, whose settings are written as JSON, has the same in it whoever made them."""
    settings = Settings(hidden=np.int64(8), lr=np.float32(2), theta=None, holdout=0)
    assert [type(value) for value in (settings.hidden, settings.lr, settings.holdout)] == [int, float, float]
    assert settings.theta is None and Plan(prefix=['分', '开']).prefix == ('分', '开')
    with pytest.raises(AttributeError):
        settings.hidden = 9


def test_the_defaults_are_the_chapter_s_everywhere(monkeypatch):
    """Those of Python, of the command line, of the example and of the benchmarks."""
    args = parse_arguments(['train'])
    assert new_settings(args) == [Settings(), Settings(sampling='consecutive')]
    assert Plan(**flags.given(args, Plan)) == Plan()
    example = (ROOT / 'examples/train_jaychou.py').read_text('utf-8')
    found = {}
    for line in re.findall(r'^(?:num_hiddens|num_steps, .*|pred_period, .*) = .*', example, re.MULTILINE):
        exec(line, found)
    settings, plan = Settings(), Plan()
    assert (found['num_hiddens'], found['num_steps'], found['batch_size'], found['lr'], found['clipping_theta']) == (
        settings.hidden, settings.num_steps, settings.batch_size, settings.lr, settings.theta)
    assert (found['pred_period'], found['pred_len'], tuple(found['prefixes'])) == (
        plan.pred_period, plan.pred_len, Corpus.read().default_prefixes())
    assert f'else {plan.epochs}\n' in example and f'random.seed({settings.seed})' in example
    assert len(example.splitlines()) <= 80
    monkeypatch.setattr(sys, 'path', [str(ROOT / 'benchmarks'), *sys.path])
    import run as benchmarks
    import task
    assert (task.N, task.LR, task.THETA) == (settings.batch_size, settings.lr, settings.theta)
    assert benchmarks.CHAPTER == {'vocabulary': Corpus.read().vocab_size, 'hidden': settings.hidden,
                                  'steps': settings.num_steps, 'text': settings.num_chars}


def test_a_cell_chooses_the_engine_that_computes_it():
    assert [each.engine for each in new_settings(parse_arguments(['train', '--cell', 'gru']))] == ['tutorial'] * 2
    with pytest.raises(ValueError, match='use --engine tutorial for --cell gru'):
        new_settings(parse_arguments(['train', '--cell', 'gru', '--engine', 'fused']))


SMALL = Settings(num_chars=500, hidden=4, batch_size=2, num_steps=5)


@pytest.fixture
def saved(tmp_path):
    """A run of one epoch, made in Python."""
    run = Run(SMALL, Corpus.read(None, 500), Plan(epochs=1), tmp_path / 'random.safetensors')
    run.train()
    return run.path, load_checkpoint(run.path)


def test_a_run_in_python_goes_on(saved):
    path, checkpoint = saved
    settings = Settings.of(path, checkpoint)
    assert settings == SMALL
    run = Run.resume(path, checkpoint, settings, Corpus.read(None, 500), Plan(epochs=2))
    run.train()
    assert load_checkpoint(path).epoch == 2


@pytest.mark.parametrize('name, value, message', [
    ('lr', -1, 'lr must be above 0'), ('theta', 'x', 'theta must be'), ('num_steps', 1.5, 'num_steps must be'),
    ('sampling', 'both', 'sampling must be'), ('hidden', 5, 'hidden is 5, but the model has 4'),
    ('corpus', 7, 'corpus must be a path, as a text'), ('seed', None, 'seed must be'),
    ('seed', 'missing', 'have no seed'),
    ('corpus_sha256', 'missing', 'have no corpus_sha256'), ('corpus_sha256', 'f' * 64, 'was trained on another text'),
])
def test_what_a_checkpoint_says_is_not_believed(saved, name, value, message):
    """A file of another program, or one that somebody has changed, checksum and all: the entry is named."""
    path, checkpoint = saved
    if value == 'missing':
        del checkpoint.settings[name]
    else:
        checkpoint.settings[name] = value
    with pytest.raises(ValueError, match=message) as caught:
        Run.resume(path, checkpoint, Settings.of(path, checkpoint), Corpus.read(None, 500), Plan(epochs=2))
    assert str(path) in str(caught.value)


def test_a_vocabulary_in_another_order_is_not_that_of_the_text(saved):
    """The hash of the text is right, and each character would be learnt under the number of another one."""
    path, checkpoint = saved
    checkpoint.idx_to_char.reverse()
    with pytest.raises(ValueError, match='was trained on another text than the shipped lyrics'):
        Run.resume(path, checkpoint, SMALL, Corpus.read(None, 500), Plan(epochs=2))


def test_a_text_and_its_end():
    """Two thirds to train on; of the end, 日 is not in the vocabulary."""
    corpus = Corpus.read()
    assert (len(corpus.text), corpus.held_out, corpus.vocab_size) == (10_000, '', 1027)
    part = Corpus.read(None, 10_000, 0.25)
    assert part.text == corpus.text[:7500] and part.held_out == corpus.text[7500:]
    assert part.sha256 == corpus.sha256 and part.idx_to_char == sorted(set(part.text))
    assert ''.join(part.idx_to_char[i] for i in part.indices) == part.text
    known = ''.join(part.idx_to_char[i] for i in part.known)
    assert known == ''.join(char for char in part.held_out if char in part.text) and len(known) < 2500


def test_what_is_held_out_must_be_predicted(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('风吹雨打' * 9 + '日月日月', 'utf-8')
    with pytest.raises(ValueError, match='holds out 4 characters, 0 of them known from the text to train on'):
        Corpus.read(path, 0, 0.1)
    with pytest.raises(ValueError, match='holds out 1 characters'):
        Corpus.read(path, 0, 0.03)
