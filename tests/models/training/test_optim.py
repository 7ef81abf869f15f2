import pytest

from models.training.optim import mean


def test_the_mean_of_an_entry_is_that_of_the_records_that_have_it() -> None:
    assert mean(iter([{"a": 1.0, "b": 2.0}, {"a": 4.0}])) == {"a": pytest.approx(2.5), "b": pytest.approx(2.0)}
    assert mean([]) == {}
