"""Models are loaded by several threads at once, in a process that has imported nothing of theirs."""

from __future__ import annotations

import subprocess
import sys

from tests.paths import REPOSITORY

PROGRAM = """
import sys, threading
from models.captioning.loading import load_captioner
from models.generation.loading import load_generator
from models.reasoning.loading import load_reasoner
from models.registry import load_encoder

together = threading.Barrier(4)
said = []

def load(loader, spec):
    together.wait()
    try:
        loader(spec)
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")

threads = [
    threading.Thread(target=load, args=(load_encoder, "lite:nowhere")),
    threading.Thread(target=load, args=(load_captioner, "tell:nowhere")),
    threading.Thread(target=load, args=(load_reasoner, "attend:nowhere")),
    threading.Thread(target=load, args=(load_generator, "latent:nowhere")),
]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(*sorted(said), sep="\\n")
"""


def test_threads_that_load_different_models_at_once_do_not_meet_half_imported_libraries() -> None:
    """All get as far as the folder that is not there."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert [line.split(":")[0] for line in said] == [
        "CaptionerUnavailableError",
        "EncoderUnavailableError",
        "GeneratorUnavailableError",
        "ReasonerUnavailableError",
    ], said
    assert all("nowhere" in line for line in said)
