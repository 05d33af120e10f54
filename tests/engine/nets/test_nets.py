"""The networks: every branch works, tiles equal the whole, sources may lack, gradients arrive."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.errors import InputError
from engine.nets.architectures import build_generator
from engine.nets.attention import ChannelAttention, SpatialAttention
from engine.nets.generator import Generator, block_mean, over_valid
from engine.nets.gradient_layout import channel_maximum
from engine.nets.inception import InceptionBox
from engine.nets.spec import NetworkSpec, stage_factors
from training.trainer.discriminator import Discriminator, condition, condition_channels


def make_spec(factor: int, **more) -> NetworkSpec:
    return NetworkSpec(factor, {"target": 2, "temperature": 2}, {"base": 2, "elevation": 4}, **more)


def make_generator(factor: int, seed: int = 0, **more) -> Generator:
    """Return a generator whose last layer is not zero."""
    torch.manual_seed(seed)
    generator = Generator(make_spec(factor, **more))
    nn.init.normal_(generator.out.weight, std=0.1)
    return generator.eval()


def make_inputs(spec: NetworkSpec, rows: int, columns: int, seed: int = 1):
    """Return random sources with holes; rows and columns in coarse cells, halo included."""
    random = torch.Generator().manual_seed(seed)

    def field(channels: int, scale: int) -> torch.Tensor:
        values = torch.randn(2, channels, rows * scale, columns * scale, generator=random)
        mask = (torch.rand(2, 1, rows * scale, columns * scale, generator=random) > 0.1).float()
        return torch.cat([values[:, :-1] * mask, mask], 1)

    coarse = {name: field(channels, 1) for name, channels in spec.coarse.items()}
    return coarse, {name: field(channels, spec.factor) for name, channels in spec.fine.items()}


def test_stage_factors_largest_first():
    assert stage_factors(8) == (2, 2, 2)
    assert stage_factors(20) == (5, 2, 2)
    assert stage_factors(100) == (5, 5, 2, 2)
    for factor in (1, 7, 14, 128):
        with pytest.raises(InputError):
            stage_factors(factor)


def test_spec_survives_json_and_refuses_nonsense():
    spec = make_spec(20, widths=(16, 12, 8, 4), boxes=(2, 1, 1, 0), season=True)
    assert NetworkSpec.from_json(spec.to_json()) == spec
    with pytest.raises(InputError, match="unknown keys"):
        NetworkSpec.from_json({**spec.to_json(), "depth": 3})
    with pytest.raises(InputError, match="entries"):
        make_spec(8, widths=(16, 8))
    with pytest.raises(InputError, match="multiple of 4"):
        make_spec(2, widths=(16, 6))
    with pytest.raises(InputError, match=r"network\.noise"):
        make_spec(2, noise=-1)
    with pytest.raises(InputError, match=r"network\.noise_gain"):
        make_spec(2, noise=1, noise_gain=0.0)
    with pytest.raises(InputError, match=r"network\.attention"):
        make_spec(2, attention="no")
    with pytest.raises(InputError, match="no architecture nonsense"):
        build_generator(make_spec(2, kind="nonsense"))


def test_old_cards_stay_valid():
    spec = make_spec(8)
    old = {
        k: v
        for k, v in spec.to_json().items()
        if k in ("factor", "coarse", "fine", "season", "widths", "boxes", "window")
    }
    assert NetworkSpec.from_json(old) == spec and isinstance(build_generator(spec), Generator)


def test_every_branch_of_the_inception_box_works():
    torch.manual_seed(0)
    box = InceptionBox(16)
    x = torch.randn(1, 16, 12, 12)
    whole = box(x)
    for name in ("point", "conv3", "conv5", "pooled"):
        branch = getattr(box, name)
        kept = branch.weight.detach().clone()
        with torch.no_grad():
            branch.weight.zero_()
        assert (box(x) - whole).abs().max() > 1e-3, f"{name} does nothing"
        with torch.no_grad():
            branch.weight.copy_(kept)
    box(x).square().mean().backward()
    for name, parameter in box.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_inception_branches_see_different_neighbourhoods():
    torch.manual_seed(0)
    box = InceptionBox(16).double()
    reach = []
    for index in range(4):
        # Positive pulses, so that the maximum over the neighbourhood moves with the centre.
        x = torch.rand(1, 16, 11, 11, dtype=torch.float64, requires_grad=True)
        box.branches(x)[index][0, :, 5, 5].sum().backward()
        rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
        reach.append(int((rows - 5).abs().max()))
    assert reach == [0, 1, 2, 1]


def test_attention_weights_channels_and_pixels():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 12, 12)
    gate = ChannelAttention(8, scale=4, window=3)(x) / x
    blocks = gate.reshape(1, 8, 3, 4, 3, 4)
    assert torch.allclose(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks), atol=1e-5)
    assert gate.std(dim=1).min() > 0
    gate = SpatialAttention()(x) / x
    assert torch.allclose(gate, gate[:, :1].expand_as(gate), atol=1e-5)
    assert gate.std() > 0


PLAIN = {"attention": False, "inception": False}


@pytest.mark.parametrize(
    ("factor", "more"),
    [(2, {}), (4, {}), (4, PLAIN), (5, {}), (6, {}), (8, {"boxes": (2, 1, 1, 0)}), (8, PLAIN), (20, {})],
)
def test_tiles_equal_the_whole(factor, more):
    generator = make_generator(factor, **more)
    halo, k = generator.halo, factor
    assert halo <= 10
    rows, columns = 5, 6
    coarse, fine = make_inputs(generator.spec, rows + 2 * halo, columns + 2 * halo)
    with torch.no_grad():
        whole = generator(coarse, fine)
        assert whole.shape == (2, 1, rows * k, columns * k)
        assert whole.std() > 1e-3
        for top, left, h, w in ((0, 0, 2, 3), (2, 3, 3, 3), (3, 1, 1, 1)):
            area = (slice(top, top + h + 2 * halo), slice(left, left + w + 2 * halo))
            scaled = tuple(slice(s.start * k, s.stop * k) for s in area)
            tile = generator(
                {n: x[(..., *area)] for n, x in coarse.items()},
                {n: x[(..., *scaled)] for n, x in fine.items()},
            )
            expected = whole[..., top * k : (top + h) * k, left * k : (left + w) * k]
            assert (tile - expected).abs().max() <= 1e-5


def test_switches_leave_their_parts_out():
    names = [name for name, _ in make_generator(8, **PLAIN).named_modules()]
    assert not any(part in name for name in names for part in ("channel", "spatial", "pooled"))
    kept = [name for name, _ in make_generator(8).named_modules()]
    assert all(any(part in name for name in kept) for part in ("channel", "spatial", "pooled"))
    assert make_generator(8, **PLAIN).halo <= make_generator(8).halo


def test_halo_is_not_wasted():
    generator = make_generator(8)
    size = 1 + 2 * generator.halo
    coarse, fine = make_inputs(generator.spec, size, size)
    fields = list(coarse.values()) + list(fine.values())
    for field in fields:
        field.requires_grad_(True)
    generator(coarse, fine).abs().sum().backward()
    reached = coarse["target"].grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert int(reached.min()) <= 2 and int(reached.max()) >= size - 3


def test_large_factors_run():
    for factor in (27, 32, 100):
        spec = make_spec(factor)
        generator = Generator(spec).eval()
        size = 1 + 2 * generator.halo
        coarse, _ = make_inputs(make_spec(2), size, size)
        with torch.no_grad():
            assert generator(coarse, {}).shape == (2, 1, factor, factor)


def test_missing_sources_contribute_nothing():
    generator = make_generator(4)
    size = 3 + 2 * generator.halo
    coarse, fine = make_inputs(generator.spec, size, size)
    with torch.no_grad():
        whole = generator(coarse, fine)
        for gone in ("temperature", "base", "elevation"):
            rest = generator(
                {n: x for n, x in coarse.items() if n != gone}, {n: x for n, x in fine.items() if n != gone}
            )
            assert rest.shape == whole.shape and torch.isfinite(rest).all()
            assert (rest - whole).abs().max() > 1e-4
    with pytest.raises(InputError, match="vegetation"):
        generator(coarse, {"vegetation": fine["base"]})
    with pytest.raises(InputError, match="different windows"):
        generator({"target": coarse["target"][..., 1:, :]}, fine)
    with pytest.raises(InputError, match="halo"):
        generator({"target": coarse["target"][..., :3, :3]}, {})


def test_fast_reductions_equal_the_plain_ones():
    x = torch.randn(2, 12, 10, 15)
    assert torch.equal(channel_maximum(x), x.amax(1, keepdim=True))
    assert torch.allclose(block_mean(x, 5), nn.functional.avg_pool2d(x, 5), atol=1e-6)


def test_fine_stages_are_thin():
    """Multiplications per level: the finest takes less than half, also where it has 10⁴ pixels a cell."""
    for factor in (8, 20, 32, 64, 100):
        spec = make_spec(factor)
        generator = Generator(spec)
        cost = [0.0] * len(spec.scales)
        for name, layer in generator.named_modules():
            if isinstance(layer, nn.Conv2d) and name != "out" and not name.startswith("coarse"):
                level = int(name.split(".")[1]) + (name.startswith("reduce"))
                inside = "shared" in name  # once for each coarse cell
                scale = 1 if inside else spec.scales[level - name.startswith("reduce")]
                cost[level] += layer.weight.numel() * scale**2
        cost[-1] += generator.out.weight.numel() * factor**2
        assert cost[-1] < 0.5 * sum(cost), (factor, [round(c / sum(cost), 2) for c in cost])


def test_season_changes_the_result():
    generator = make_generator(2, season=True)
    size = 2 + 2 * generator.halo
    coarse, fine = make_inputs(generator.spec, size, size)
    winter, summer = torch.tensor([[0.0, 1.0]] * 2), torch.tensor([[0.0, -1.0]] * 2)
    with torch.no_grad():
        assert (generator(coarse, fine, winter) - generator(coarse, fine, summer)).abs().max() > 1e-4


def test_pyramid_ignores_invalid_pixels():
    values = torch.tensor([[4.0, 0.0, 1.0, 2.0], [8.0, 0.0, 3.0, 2.0], [0.0] * 4, [0.0] * 4])
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0] * 4, [0.0] * 4])
    generator = Generator(NetworkSpec(4, {"target": 2}, {"base": 2}))
    coarse, half, fine = generator._pyramid({"base": torch.stack([values, mask])[None]})
    assert torch.equal(fine["base"][0, 0], values)
    assert half["base"][0].tolist() == [[[6.0, 2.0], [0.0, 0.0]], [[0.5, 1.0], [0.0, 0.0]]]
    # Two valid pixels of mean 6, four of mean 2.
    assert coarse["base"][0, :, 0, 0].tolist() == pytest.approx([20 / 6, 6 / 16])
    assert over_valid(torch.zeros(1, 2, 2, 2)).abs().max() == 0


def test_adversarial_gradient_reaches_the_generator():
    generator = make_generator(4).train()
    spec = generator.spec
    size = 4 + 2 * generator.halo
    coarse, fine = make_inputs(spec, size, size)
    given = {"base": fine["base"]}
    discriminator = Discriminator(condition_channels(spec), width=8, layers=2)
    fake = generator(coarse, given)
    logits = discriminator(fake, condition(spec, generator.halo, coarse, given))
    assert logits.shape[:2] == (2, 1)
    (-logits.mean()).backward()
    for name, parameter in generator.named_parameters():
        if "elevation" in name:
            assert parameter.grad is None
        else:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert generator.coarse["target"].normalise.weight.grad.abs().max() > 0
    assert generator.out.weight.grad.abs().max() > 0


def test_discriminator_sees_field_and_condition():
    torch.manual_seed(0)
    discriminator = Discriminator(3, width=8)
    field, given = torch.randn(1, 1, 32, 32), torch.randn(1, 3, 32, 32)
    first = discriminator(field, given)
    assert (discriminator(field + 1, given) - first).abs().max() > 1e-4
    assert (discriminator(field, given + 1) - first).abs().max() > 1e-4


def test_every_convolution_of_the_discriminator_is_spectrally_normalised():
    discriminator = Discriminator(3, width=8)
    discriminator.train()
    for _ in range(60):  # each pass refines the estimate of the largest singular value
        discriminator(torch.randn(1, 1, 32, 32), torch.randn(1, 3, 32, 32))
    convolutions = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions
    for convolution in convolutions:
        largest = torch.linalg.matrix_norm(convolution.weight.flatten(1), 2)
        assert float(largest.detach()) == pytest.approx(1.0, rel=0.05)
