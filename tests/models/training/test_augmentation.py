import torch

from models.training.augmentation import augmented, moved, recoloured


def test_augmentation_is_a_mirrored_shift_with_a_cover() -> None:
    torch.manual_seed(1)
    places = torch.arange(1.0, 257.0).view(1, 1, 16, 16).expand(200, 2, 16, 16)
    seen = moved(places)
    whole = covered = mirrored = 0
    for picture in seen:
        assert torch.equal(picture[0], picture[1])
        filled = picture[0].nonzero()
        values = picture[0][filled[:, 0], filled[:, 1]] - 1
        rows, columns = values // 16, values % 16
        assert (rows - filled[:, 0]).unique().numel() == 1
        assert abs(float(rows[0] - filled[0, 0])) <= 2
        straight, turned = (columns - filled[:, 1]).unique(), (columns + filled[:, 1]).unique()
        assert min(straight.numel(), turned.numel()) == 1
        mirrored += turned.numel() == 1
        zeros = 256 - len(filled)
        whole += zeros == 0
        covered += zeros > 60
    assert 60 < mirrored < 140
    assert whole + covered > 0


def test_augmentation_passes_gradients_on() -> None:
    pictures = torch.randn(3, 3, 8, 8, requires_grad=True)
    augmented(pictures).sum().backward()  # type: ignore[no-untyped-call]
    assert pictures.grad is not None
    assert 0 < pictures.grad.mean() < 1


def test_colours_change_as_one_picture_and_moderately() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(100, 3, 4, 4) - 0.5
    changed = recoloured(pictures)
    assert (changed - pictures).abs().amax((1, 2, 3)).min() > 0
    shift = changed.mean((1, 2, 3)) - pictures.mean((1, 2, 3))
    assert 0.15 < shift.abs().max() <= 0.2 + 1e-6
    grey = pictures.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    for picture in recoloured(grey):
        assert torch.allclose(picture[0], picture[1], atol=1e-6)
