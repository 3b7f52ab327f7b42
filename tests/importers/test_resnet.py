"""ResNet's weights: logits are those of PyTorch; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from causal_jax.importers import resnet, safetensors_file, state_dicts, torch_file
from causal_jax.networks.resnet import ENSEMBLE, ResNet, with_new_heads
from tests.importers import parity

# As `parity/write.py` has them.
NETWORKS = {
    "basic": ResNet((2, 1, 1), width=4, num_classes=5),
    "bottleneck": ResNet((2, 1), is_bottleneck=True, width=4, num_classes=5),
}


def state_dict(kind):
    return torch_file.read(parity.HERE / f"resnet_{kind}.pth")


@pytest.fixture
def narrow(monkeypatch):
    """The basic network's blocks as a size of `load`, in a wide enough layout."""
    monkeypatch.setitem(resnet.BLOCKS, "narrow", ((2, 1, 1), False))
    network = ResNet((2, 1, 1), num_classes=3)
    shapes = state_dicts.expected_variables(network)
    arrays = {}
    for keys, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        _, *path, last = (key.key for key in keys)
        name = f"{resnet._layer_name(tuple(path))}.{state_dicts._LEAVES[last]}"
        axes = {2: (1, 0), 4: (3, 2, 0, 1)}.get(leaf.ndim, (0,))
        arrays[name] = np.zeros([leaf.shape[i] for i in axes], np.float32)
    return arrays


@pytest.mark.parametrize("kind", NETWORKS)
def test_logits_are_pytorch_s(kind):
    network, expected = NETWORKS[kind], parity.arrays(f"resnet_{kind}")
    variables = resnet.convert(state_dict(kind), network)
    found = jax.jit(network.apply)(variables, expected["images"])["fc"]
    np.testing.assert_allclose(found, expected["logits"], rtol=1e-4, atol=1e-4)


def test_conversion_gives_the_network_s_own_tree():
    network = NETWORKS["basic"]
    found = resnet.convert(state_dict("basic"), network)
    expected = jax.eval_shape(network.init, jax.random.key(0), jnp.ones((1, 32, 32, 3)))
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), found)
    assert shapes == jax.tree.map(lambda x: (x.shape, x.dtype), expected)


def test_new_heads_stand_on_the_backbone_that_was_imported():
    variables = resnet.convert(state_dict("basic"), NETWORKS["basic"])
    network = NETWORKS["basic"].clone(num_classes=7, heads=ENSEMBLE)
    found = with_new_heads(network, variables, jax.random.key(0))
    images = parity.arrays("resnet_basic")["images"]
    logits = network.apply(found, images)
    assert {name: x.shape for name, x in logits.items()} == dict.fromkeys(
        ENSEMBLE, (2, 7)
    )
    features, same = (
        n.apply(v, images, method="features")
        for n, v in ((network, found), (NETWORKS["basic"], variables))
    )
    np.testing.assert_array_equal(features, same)


def test_the_number_of_classes_is_the_file_s(narrow, tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors_file.write(path, {f"module.{k}": v for k, v in narrow.items()})
    found = resnet.load(path, "narrow", prefix="module.")
    assert found["params"]["head_fc"]["kernel"].shape == (256, 3)


def renamed(arrays):
    arrays["layer2.0.downsample.0.wait"] = arrays.pop("layer2.0.downsample.0.weight")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (renamed, "it has no layer2.0.downsample.0.weight"),
        (lambda a: a.update(extra=np.zeros(3, "f")), "it also has extra"),
        (
            lambda a: a.update({"conv1.weight": np.zeros((64, 3, 3, 3), "f")}),
            r"conv1.weight is \[64, 3, 3, 3\], not \[64, 3, 7, 7\]",
        ),
        (lambda a: a.pop("fc.bias"), "it has no fc.bias of one axis"),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(narrow, tmp_path, change, text):
    change(narrow)
    path = tmp_path / "x.safetensors"
    safetensors_file.write(path, narrow)
    with pytest.raises(ValueError, match=f"x.safetensors does not hold narrow: {text}"):
        resnet.load(path, "narrow")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("basic", "it has no layer1.0.bn3.bias"),
        ("bottleneck", "it has no layer1.1.bn1.bias|it has no layer"),
    ],
)
def test_a_network_of_other_blocks_is_refused_in_one_line(kind, text):
    path = parity.HERE / f"resnet_{kind}.pth"
    with pytest.raises(ValueError, match=f"does not hold resnet50: ({text})") as error:
        resnet.load(path, "resnet50")
    assert "\n" not in str(error.value)


def test_a_name_that_there_is_not_and_a_file_cut_off(tmp_path):
    with pytest.raises(ValueError, match="no ResNet 'resnet5': did you mean 'resnet50"):
        resnet.load("x.pth", "resnet5")
    whole = (parity.HERE / "resnet_basic.pth").read_bytes()
    for part in (0.2, 0.9):
        (tmp_path / "cut.pth").write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ValueError, match="cut.pth") as error:
            resnet.load(tmp_path / "cut.pth", "resnet18")
        assert "\n" not in str(error.value)
