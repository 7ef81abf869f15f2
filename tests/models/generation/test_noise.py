import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.generation.noise import seeded_noise


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_seed_decides_the_noise(seed: int) -> None:
    noise = seeded_noise(seed, (8, 16, 16))
    assert noise.dtype == np.float32
    assert (noise == seeded_noise(seed, (8, 16, 16))).all()
    assert not (noise == seeded_noise((seed + 1) % 2**32, (8, 16, 16))).all()
    assert abs(noise.mean()) < 0.12
    assert abs(noise.std() - 1) < 0.1


def test_it_stays_what_it_was() -> None:
    """Pictures of old requests are drawn again by their seeds."""
    assert np.allclose(
        seeded_noise(1, (3,)), np.random.Generator(np.random.Philox(key=1)).standard_normal(3, np.float32)
    )
