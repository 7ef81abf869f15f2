"""Write to a catalogue until killed or done: ``python -m tests.index.writer URL NAME BATCHES``.

Each batch is one transaction of a photo, a recipe linked with it, and a recipe that every writer changes; the number
of a batch is printed once it is committed.
"""

from __future__ import annotations

import sys

from index.catalogue import Catalogue
from tests.index.samples import DIM, put_image, put_recipe


def main(url: str, name: str, batches: int) -> None:
    with Catalogue.open(url) as catalogue:
        generation = catalogue.ensure_generation("fingerprint-1", "encoder-1", DIM)
        for number in range(batches):
            item = f"{name}-{number}"
            catalogue.write(
                [
                    put_image(item, tags=(name,), seed=number),
                    put_recipe(item, images=(item,), tags=(name, "all"), seed=number + 1),
                    put_recipe("shared", title=item, seed=number + 2),
                ],
                generation=generation.number,
            )
            print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
