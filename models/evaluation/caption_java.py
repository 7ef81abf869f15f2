"""The two Java programs that pycocoevalcap ships: the Penn Treebank tokenizer and METEOR.

They are driven from here rather than through its wrappers, which wait for Java forever and write into the package's
folder. Options, protocol and numbers are the wrappers'.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.evaluation.caption_metrics import Tokens

_PTB_JAR = Path("tokenizer", "stanford-corenlp-3.4.1.jar")
_METEOR_JAR = Path("meteor", "meteor-1.5.jar")
_METEOR_SEPARATOR = "|||"
_PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
_TOKENIZER_TIMEOUT, _METEOR_TIMEOUT = 120.0, 600.0


class ScorerUnavailableError(Exception):
    """A scorer can't run here; the message says why in one clause."""


def ptb_tokenize(texts: Sequence[str], *, timeout: float = _TOKENIZER_TIMEOUT) -> list[Tokens]:
    """Words by Stanford's Penn Treebank tokenizer, without punctuation; a line break counts as a space.

    Args:
        timeout: seconds after which Java and all that it started are killed.

    Raises:
        ScorerUnavailableError: pycocoevalcap or Java is missing, or Java failed or took too long.
    """
    jar = _jar(_PTB_JAR)
    program = ["-Dfile.encoding=UTF-8", "-cp", jar.name, "edu.stanford.nlp.process.PTBTokenizer"]
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    with _java(
        [*program, "-encoding", "UTF-8", "-preserveLines", "-lowerCase"], jar.parent, timeout, "the tokenizer"
    ) as process:
        output, _ = process.communicate(lines.encode())
        if process.returncode != 0:
            raise ValueError(f"exit status {process.returncode}")
        found = output.decode().split("\n")[:-1]
        if len(found) != len(texts):
            raise ValueError(f"{len(found)} lines for {len(texts)} captions")
    return [[token for token in line.split() if token not in _PUNCTUATION] for line in found]


def meteor(
    references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens], *, timeout: float = _METEOR_TIMEOUT
) -> float:
    """Corpus METEOR 1.5 in [0, 1] (Denkowski and Lavie 2014).

    Args:
        timeout: seconds after which Java and all that it started are killed.

    Raises:
        ScorerUnavailableError: pycocoevalcap or Java is missing, or Java failed or took too long.
    """
    jar = _jar(_METEOR_JAR)
    arguments = ["-Dfile.encoding=UTF-8", "-jar", "-Xmx2G", jar.name, "-", "-", "-stdio", "-l", "en", "-norm"]
    with _java(arguments, jar.parent, timeout, "METEOR") as process:
        statistics = [
            _ask(process, ["SCORE", *map(_sentence, captions), _sentence(tokens)])
            for captions, tokens in zip(references, hypotheses, strict=True)
        ]
        # The answer is a score for each caption, and then that of all of them.
        answers = [_ask(process, ["EVAL", *statistics])] + [_answer(process) for _ in hypotheses]
        return float(answers[-1])


def _sentence(tokens: Tokens) -> str:
    return " ".join(token for token in tokens if token != _METEOR_SEPARATOR)


def _ask(process: subprocess.Popen[bytes], parts: Sequence[str]) -> str:
    if process.stdin is None:
        raise ValueError("no standard input")
    process.stdin.write((f" {_METEOR_SEPARATOR} ".join(parts) + "\n").encode())
    process.stdin.flush()
    return _answer(process)


def _answer(process: subprocess.Popen[bytes]) -> str:
    answer = process.stdout.readline().decode().strip() if process.stdout else ""
    if not answer:
        raise ValueError("no answer")
    return answer


@contextmanager
def _java(arguments: Sequence[str], folder: Path, timeout: float, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running Java that is killed after ``timeout`` seconds and at the end of the block.

    It leads a session of its own, since a ``java`` on the PATH may be a script that starts the real one.
    """
    java = shutil.which("java")
    if java is None:
        raise ScorerUnavailableError("there is no java on the PATH")
    try:
        process = subprocess.Popen(
            [java, *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ScorerUnavailableError(f"the Java of {name} did not start: {error}") from error
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _kill(process)

    watchdog = threading.Timer(timeout, give_up)
    watchdog.start()
    try:
        yield process
    except (OSError, ValueError) as error:
        reason = f"took more than {timeout:g} seconds" if late.is_set() else f"failed: {error}"
        raise ScorerUnavailableError(f"the Java of {name} {reason}") from error
    finally:
        watchdog.cancel()
        watchdog.join()
        _kill(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not yet written can't be any more
                    stream.close()
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the group of a process that was not waited for yet, so that its number can't be another's by now."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _jar(path: Path) -> Path:
    spec = importlib.util.find_spec("pycocoevalcap")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    raise ScorerUnavailableError("pycocoevalcap is not installed")
