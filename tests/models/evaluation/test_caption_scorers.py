"""The Java programs against pycocoevalcap's wrappers, what happens without them, and that they never hang."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from models.captioning.types import CaptionStyle
from models.evaluation import caption_java
from models.evaluation.caption_data import read_captioned
from models.evaluation.caption_java import ScorerUnavailableError, meteor, ptb_tokenize
from models.evaluation.caption_metrics import CiderD, bleu, rouge_l, tokenize_reference
from models.evaluation.caption_scorers import PTB_JAVA, PURE_PYTHON, score_captions, scorers_in_use, tokenize_all
from tests.models.evaluation.caption_corpus import made_up, words
from tests.paths import collection

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
TEXTS = ("A dog's crème brûlée (hot) .", "", "Two\nlines: one caption", "?!", "  a ||| b  ")


def fake_java(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def without_java(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))


def without_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pycocoevalcap" else found(name))


@needs_java
def test_the_tokenizer_gives_what_the_wrapper_gives() -> None:
    captions = {number: [{"caption": text}] for number, text in enumerate(TEXTS)}
    expected = PTBTokenizer().tokenize(captions)
    assert ptb_tokenize(TEXTS) == [expected[number][0].split() for number in captions]
    assert ptb_tokenize([]) == []


@needs_java
@pytest.mark.data
@pytest.mark.parametrize(("name", "style", "most"), [("flickr8k", "general", 0.001), ("epicurious", "dish", 0.005)])
def test_the_tokenizers_agree_on_real_captions(name: str, style: CaptionStyle, most: float) -> None:
    texts = [text for photo in read_captioned(collection(name), "val", style) for text in photo.captions]
    pairs = zip(texts, ptb_tokenize(texts), strict=True)
    unlike = [text for text, tokens in pairs if tokenize_reference(text) != tokens]
    assert len(unlike) <= most * len(texts), unlike


@needs_java
def test_letters_outside_ascii_survive_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert ptb_tokenize(["Crème brûlée"]) == [["crème", "brûlée"]]


@needs_java
def test_meteor_of_copies_is_one() -> None:
    """One Java for all that is asked of it: its paraphrases take seconds to load."""
    captions = [words("a black dog runs over the grass"), words("two crème brûlées")]
    separated = [*captions[1], "|||"]
    assert meteor([captions, [captions[1]]], [captions[0], separated]) == pytest.approx(1)


STAND_IN = """
import sys
with open(sys.argv[1], "a", encoding="utf-8") as log:
    log.write(" ".join(sys.argv[2:]) + "\\n")
    for number, line in enumerate(sys.stdin):
        log.write(line)
        log.flush()
        if line.startswith("SCORE"):
            print(number, 2, 3, flush=True)
        else:
            print(*[0.25] * line.count("|||"), 0.75, sep="\\n", flush=True)
"""


def test_meteor_is_asked_and_understood_as_the_wrapper_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in that writes down what it is told and answers in METEOR's protocol."""
    program, heard = tmp_path / "stand_in.py", tmp_path / "heard"
    program.write_text(STAND_IN)
    fake_java(tmp_path, f'exec {sys.executable} {program} {heard} "$@"', monkeypatch)
    references, hypotheses = made_up(5)
    assert meteor(references, hypotheses) == 0.75
    ours = heard.read_text()
    heard.unlink()
    wrapper = Meteor()
    truth = {number: [" ".join(tokens) for tokens in captions] for number, captions in enumerate(references)}
    score, _ = wrapper.compute_score(truth, {number: [" ".join(tokens)] for number, tokens in enumerate(hypotheses)})
    for stream in (wrapper.meteor_p.stdout, wrapper.meteor_p.stderr):
        stream.close()
    assert score == 0.75
    assert ours.replace("-Dfile.encoding=UTF-8 ", "") == heard.read_text()


@pytest.mark.fault
@pytest.mark.parametrize("script", ["exec sleep 60", "sleep 60", "sleep 60 & wait"])
def test_a_java_that_hangs_is_killed(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, script, monkeypatch)
    with pytest.raises(ScorerUnavailableError, match=r"the tokenizer took more than 0\.1 seconds"):
        ptb_tokenize(["a dog"], timeout=0.1)
    with pytest.raises(ScorerUnavailableError, match=r"METEOR took more than 0\.1 seconds"):
        meteor([[["dog"]]], [["dog"]], timeout=0.1)


@pytest.mark.fault
@pytest.mark.parametrize("script", ["exit 3", "echo nonsense", "read line; echo stats; read line; echo x"])
def test_a_java_that_fails_is_said(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, script, monkeypatch)
    with pytest.raises(ScorerUnavailableError, match="the Java of METEOR failed"):
        meteor([[["dog"]]], [["dog"]], timeout=10)
    with pytest.raises(ScorerUnavailableError, match="the Java of the tokenizer failed"):
        ptb_tokenize(["dog", "a cat", "a bird"], timeout=10)


def test_without_java_the_rest_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_java(tmp_path, monkeypatch)
    tokens, tokenizer, why = tokenize_all(TEXTS)
    assert tokens == [tokenize_reference(text) for text in TEXTS]
    assert tokenizer == PURE_PYTHON
    assert why == "the tokenizer is the built-in one: there is no java on the PATH"
    scores, note = score_captions(*made_up(6))
    assert scores.meteor is None
    assert note == "METEOR is left out: there is no java on the PATH"
    assert scores.to_json()["meteor"] is None


def test_without_the_field_s_package_the_scores_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_java(tmp_path, monkeypatch)
    references, hypotheses = made_up(20)
    assert scorers_in_use() == "pycocoevalcap 1.2"
    theirs, _ = score_captions(references, hypotheses)
    without_the_field(monkeypatch)
    assert scorers_in_use() == "built in"
    ours, _ = score_captions(references, hypotheses)
    assert ours.bleu == bleu(references, hypotheses)
    assert ours.rougel == rouge_l(references, hypotheses)
    assert ours.cider == CiderD(references).score(hypotheses)[0]
    for name, value in theirs.to_json().items():
        assert ours.to_json()[name] == pytest.approx(value)


@needs_java
def test_without_the_field_s_package_java_has_nothing_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tokenize_all(["A dog ."]) == ([["a", "dog"]], PTB_JAVA, None)
    without_the_field(monkeypatch)
    with pytest.raises(ScorerUnavailableError, match="pycocoevalcap is not installed"):
        caption_java.meteor([[["dog"]]], [["dog"]])
    assert tokenize_all(["A dog ."])[1] == PURE_PYTHON
