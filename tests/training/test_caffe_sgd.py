"""METHODS.md 0.4 and 1.3: Caffe's momentum, the parameter groups, the schedule."""

import pytest
import torch

from spml_core.errors import ConfigError
from spml_core.models import build_paper_network
from spml_core.training.caffe_sgd import (
    CaffeSGD,
    make_paper_optimiser,
    paper_parameter_groups,
    set_learning_rate,
)


def gradients(steps=12):
    torch.manual_seed(0)
    return [
        [torch.randn(4, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)] for _ in range(steps)
    ]


def start():
    torch.manual_seed(1)
    return [torch.nn.Parameter(torch.randn(s, dtype=torch.float64)) for s in ((4, 3), (5,))]


def run(make, rates):
    parameters = start()
    optimiser = make(parameters)
    for rate, grads in zip(rates, gradients(len(rates)), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(parameters, grads, strict=True):
            parameter.grad = gradient.clone()
        optimiser.step()
    return parameters


def loop(rates, momentum=0.9, decay=5e-4):
    """The formula, number by number."""
    results = []
    for index, parameter in enumerate(start()):
        values = parameter.detach().flatten().tolist()
        buffer = [0.0] * len(values)
        for rate, grads in zip(rates, gradients(len(rates)), strict=True):
            for i, gradient in enumerate(grads[index].flatten().tolist()):
                buffer[i] = momentum * buffer[i] + rate * (gradient + decay * values[i])
                values[i] -= buffer[i]
        results.append(torch.tensor(values, dtype=torch.float64).reshape(parameter.shape))
    return results


FALLING = [0.1 * 0.7**i for i in range(12)]


def caffe(parameters):
    return CaffeSGD(parameters, 0.1)


def close(left, right):
    return all(torch.allclose(a, b, atol=1e-13, rtol=1e-13) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("rates", [[0.1] * 12, FALLING])
def test_caffe_momentum_against_a_loop(rates):
    assert close(run(caffe, rates), loop(rates))


@pytest.mark.parametrize("form", ["caffe", "torch"])
def test_equal_to_torch_at_a_constant_rate(form):
    rates = [0.1] * 12
    theirs = run(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=5e-4), rates)
    assert close(run(lambda p: CaffeSGD(p, 0.1, momentum_form=form), rates), theirs)


def test_only_the_torch_form_is_torchs_at_a_falling_rate():
    theirs = run(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=5e-4), FALLING)
    assert close(run(lambda p: CaffeSGD(p, 0.1, momentum_form="torch"), FALLING), theirs)
    assert not close(run(caffe, FALLING), theirs)


def test_a_parameter_without_gradient_stays():
    parameters = start()
    optimiser = caffe(parameters)
    parameters[0].grad = torch.ones_like(parameters[0])
    before = parameters[1].detach().clone()
    optimiser.step()
    assert torch.equal(parameters[1], before)
    assert list(optimiser.state) == [parameters[0]]


def test_goes_on_from_its_state():
    whole = run(caffe, FALLING)
    parameters = start()
    optimiser = caffe(parameters)
    for number, (rate, grads) in enumerate(zip(FALLING, gradients(12), strict=True)):
        if number == 5:  # as after a restart
            saved = optimiser.state_dict()
            parameters = [torch.nn.Parameter(p.detach().clone()) for p in parameters]
            optimiser = caffe(parameters)
            optimiser.load_state_dict(saved)
        for group in optimiser.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(parameters, grads, strict=True):
            parameter.grad = gradient.clone()
        optimiser.step()
    assert close(parameters, whole)


def test_closure_is_called_with_gradients():
    parameter = torch.nn.Parameter(torch.tensor([3.0]))
    optimiser = CaffeSGD([parameter], 0.1, weight_decay=0.0)

    def closure():
        optimiser.zero_grad()
        loss = (parameter**2).sum()
        loss.backward()
        return float(loss.detach())

    assert optimiser.step(closure) == 9.0
    assert parameter.item() == pytest.approx(3.0 - 0.1 * 6.0)


def network(head="deeplab"):
    return build_paper_network(4, head=head, depth=18, width=1 / 16, embedding_dim=6)


@pytest.mark.parametrize("head", ["deeplab", "psp"])
def test_every_learning_parameter_is_in_one_group_and_no_other(head):
    net = network(head)
    grouped = [id(p) for group in paper_parameter_groups(net) for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in net.parameters() if p.requires_grad}
    frozen = {id(p) for stage in net.frozen_stages() for p in stage.parameters()}
    assert frozen and not frozen & set(grouped)


def test_groups_are_those_of_the_table():
    net = network("psp")
    groups = {g["name"]: g for g in paper_parameter_groups(net)}
    assert {n: (g["lr_mult"], g["weight_decay"]) for n, g in groups.items()} == {
        "stages.weights": (1, 5e-4),
        "stages.biases": (2, 0),
        "embedding_head.weights": (10, 5e-4),
        "embedding_head.biases": (20, 0),
        "softmax_head.weights": (10, 5e-4),
        "softmax_head.biases": (20, 0),
    }

    def group_of(parameter):
        return next(n for n, g in groups.items() if any(p is parameter for p in g["params"]))

    block = net.backbone.layer3[0]
    assert group_of(block.conv1.weight) == group_of(block.bn1.weight) == "stages.weights"
    assert group_of(block.bn1.bias) == "stages.biases"
    assert group_of(net.embedding_head.mix[1].weight) == "embedding_head.weights"
    assert group_of(net.embedding_head.mix[3].bias) == "embedding_head.biases"
    assert group_of(net.softmax_head.layers[1].weight) == "softmax_head.weights"
    assert group_of(net.softmax_head.layers[4].bias) == "softmax_head.biases"


def test_counts_of_optimised_parameters():
    with torch.device("meta"):
        whole = build_paper_network(21)
    sizes = {g["name"]: sum(p.numel() for p in g["params"]) for g in paper_parameter_groups(whole)}
    embedding = sum(n for name, n in sizes.items() if not name.startswith("softmax_head"))
    assert embedding == 46_993_664
    assert sum(sizes.values()) - embedding == 76_693


def test_only_the_softmax_head_learns_if_told():
    net = network()
    names = [g["name"] for g in make_paper_optimiser(net, only_softmax_head=True).param_groups]
    assert names == ["softmax_head.weights", "softmax_head.biases"]


def test_schedule_against_the_formula():
    optimiser = make_paper_optimiser(network(), 3e-3)
    for step in (0, 1, 50, 99, 100, 101, 5000, 29_999, 30_000):
        rate = set_learning_rate(optimiser, 3e-3, step, 30_000)
        decayed = 3e-3 * (1 - step / 30_000) ** 0.9
        ramp = step / 100
        expected = min(3e-3 * (0.1 * (1 - ramp) + ramp), decayed) if step < 100 else decayed
        assert rate == pytest.approx(expected, abs=1e-15)
        for group in optimiser.param_groups:
            assert group["lr"] == pytest.approx(rate * group["lr_mult"])


@pytest.mark.parametrize(
    ("options", "told"), [({"momentum_form": "nesterov"}, "nesterov"), ({"momentum": -1.0}, r"-1\.0")]
)
def test_bad_settings_are_refused(options, told):
    with pytest.raises(ConfigError, match=told):
        CaffeSGD(start(), 0.1, **options)
