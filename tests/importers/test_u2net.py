"""U2-Net's weights: masks are those of PyTorch and of onnxruntime; what is refused."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest

from causal_jax.data import tfds
from causal_jax.importers import onnx_file, safetensors_file, u2net
from causal_jax.networks.resnet import normalized
from causal_jax.networks.u2net import SMALL, U2Net, masks
from tests.importers import parity

WEIGHTS = Path(os.environ.get("TFDS_DATA_DIR", "/none"), "../weights/u2netp.onnx")
needs_weights = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason="no U2-NetP weights beside the data"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{ending: the file of the narrow network}."""
    folder = tmp_path_factory.mktemp("u2net")
    return {
        name: parity.unpacked(f"u2net.{name}", folder)
        for name in ("safetensors", "onnx")
    }


@pytest.fixture(scope="module")
def state(files):
    return safetensors_file.read(files["safetensors"])


@pytest.fixture
def narrow(monkeypatch):
    """The narrow network as a size of `load`."""
    monkeypatch.setitem(u2net.CHANNELS, "narrow", parity.U2NET_CHANNELS)
    return "narrow"


def logits(variables, images, **settings):
    network = U2Net(parity.U2NET_CHANNELS, **settings)
    return jax.jit(lambda v, x: network.apply(v, x, method="logits"))(variables, images)


@pytest.mark.parametrize("name", ["odd", "even"])
def test_all_seven_maps_are_pytorch_s_at_any_size(state, name):
    expected = parity.arrays("u2net")
    variables = u2net.convert(
        state, channels=parity.U2NET_CHANNELS, folded=name == "odd"
    )
    found = logits(variables, expected[name], folded=name == "odd")
    np.testing.assert_allclose(found, expected[f"{name}_centres"], atol=1e-4)


def test_corners_are_aligned_where_that_is_asked_for(state):
    expected = parity.arrays("u2net")
    variables = u2net.convert(state, channels=parity.U2NET_CHANNELS)
    found = logits(variables, expected["odd"], folded=True, align_corners=True)
    np.testing.assert_allclose(found, expected["odd_corners"], atol=1e-4)
    assert np.abs(found - expected["odd_centres"]).max() > 0.01


def test_an_export_to_onnx_gives_the_state_dict_s_variables(files, narrow):
    exported, state = (u2net.load(files[name], narrow) for name in files)
    paths, same = (jax.tree.structure(tree) for tree in (exported, state))
    assert paths == same
    for a, b in zip(jax.tree.leaves(exported), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_network_inside_a_checkpoint_is_read_by_its_prefix(state, tmp_path, narrow):
    whole = {f"u2net.{name}": array for name, array in state.items()}
    path = tmp_path / "cgn.safetensors"
    safetensors_file.write(path, {**whole, "f_bg.weight": np.zeros(3, np.float32)})
    found = u2net.load(path, narrow, prefix="u2net.", folded=False)
    assert found.keys() == {"params", "batch_stats"}
    there = state["stage2.rebnconv1d.bn_s1.running_var"]
    here = found["batch_stats"]["stage2"]["rebnconv1d"]["bn"]["norm"]["var"]
    np.testing.assert_array_equal(here, there)
    with pytest.raises(ValueError, match="no tensor's name begins with 'f_text.'"):
        u2net.load(path, narrow, prefix="f_text.")


def renamed(arrays):
    arrays["stage3.rebnconv2.conv_s1.wait"] = arrays.pop(
        "stage3.rebnconv2.conv_s1.weight"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (renamed, "it has no stage3.rebnconv2.conv_s1.weight"),
        (lambda a: a.update(extra=np.zeros(3, "f")), "it also has extra"),
        (
            lambda a: a.update(
                {"side2.weight": a["side2.weight"].transpose(1, 0, 2, 3)}
            ),
            r"side2.weight is \[4, 1, 3, 3\], not \[1, 4, 3, 3\]",
        ),
        (
            lambda a: a.update({"outconv.bias": np.zeros(1, np.int64)}),
            "outconv.bias is of int64",
        ),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(
    state, tmp_path, narrow, change, text
):
    arrays = dict(state)
    change(arrays)
    path = tmp_path / "x.safetensors"
    safetensors_file.write(path, arrays)
    with pytest.raises(ValueError, match=f"x.safetensors does not hold .*{text}") as e:
        u2net.load(path, narrow)
    assert "\n" not in str(e.value)


def test_files_of_other_networks_are_refused_in_one_line(files, narrow):
    resnet = parity.HERE / "resnet_basic.pth"
    for path, size, text in (
        (resnet, "u2netp", "it has no outconv.bias"),
        (files["onnx"], "u2netp", r"stage1.rebnconvin, is \[4, 3, 3, 3\], not \[64"),
        (files["safetensors"], "u2net", r"side1.weight is \[1, 4, 3, 3\], not \[1, 64"),
    ):
        with pytest.raises(ValueError, match=f"does not hold {size}: .*{text}") as e:
            u2net.load(path, size)
        assert "\n" not in str(e.value)
    with pytest.raises(ValueError, match="no U2-Net 'u2nep': did you mean 'u2netp'"):
        u2net.load(resnet, "u2nep")
    with pytest.raises(ValueError, match="an .onnx file is folded"):
        u2net.load(files["onnx"], narrow, folded=False)


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
def test_a_file_cut_anywhere_is_refused_in_one_line(files, tmp_path, narrow, ending):
    whole = files[ending].read_bytes()
    path = tmp_path / f"cut.{ending}"
    for part in (0.0, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ValueError, match="cut") as error:
            u2net.load(path, narrow)
        assert "\n" not in str(error.value)


def test_a_graph_with_other_nodes_is_refused(files):
    graph = onnx_file.read(files["onnx"])
    convs = [node for node in graph.nodes if node.kind == "Conv"]
    norm = convs[0]._replace(kind="BatchNormalization")
    for nodes, text in (
        (convs[:-1], "it has 118 convolutions, not 119"),
        ([*convs, norm], "not folded"),
        ([convs[0]._replace(inputs=("x",)), *convs[1:]], "the kernel of stage1.rebnc"),
    ):
        with pytest.raises(ValueError, match=text):
            u2net.convert_onnx(
                graph._replace(nodes=tuple(nodes)), parity.U2NET_CHANNELS
            )


# --- the published weights ------------------------------------------------------------


@needs_weights
def test_u2netp_s_masks_of_pictures_are_those_of_onnxruntime():
    runtime = pytest.importorskip("onnxruntime")
    # Float32 itself is 4e-5 to 7e-5 away from float64 here, and onnxruntime 3e-5.
    images = np.asarray(normalized(pictures(2, size=320)))
    session = runtime.InferenceSession(WEIGHTS, providers=["CPUExecutionProvider"])
    expected = [
        session.run(None, {"input.1": image.transpose(2, 0, 1)[None]})[0]
        for image in images
    ]
    variables = u2net.load(WEIGHTS, "u2netp")
    found = jax.jit(U2Net(SMALL, folded=True).apply)(variables, images)
    np.testing.assert_allclose(found[..., 0], np.concatenate(expected)[:, 0], atol=1e-4)
    assert 0.02 < float(found.mean()) < 0.9


@needs_weights
def test_u2netp_finds_a_small_picture_s_disc_when_it_is_enlarged():
    rows, columns = np.mgrid[:64, :64]
    disc = (rows - 30) ** 2 + (columns - 34) ** 2 < 18**2
    image = np.where(disc[..., None], [0.8, -0.6, -0.6], [-0.2, 0.3, 0.6])
    images = image[None].astype(np.float32)
    network, variables = U2Net(SMALL, folded=True), u2net.load(WEIGHTS, "u2netp")
    mask = np.asarray(masks(network, variables, images, size=128))[0, :, :, 0]
    assert mask[disc].mean() > 0.8 and mask[~disc].mean() < 0.1


def pictures(num, size):
    """Real ones, [num, size, size, 3] in [-1, 1]."""
    from PIL import Image

    if not tfds.is_prepared("imagenet2012"):
        pytest.skip("no imagenet2012 in $TFDS_DATA_DIR")
    source = tfds.source("imagenet2012", "validation")
    found = []
    for i in range(num):
        image = Image.fromarray(source[40 * i]["image"]).resize((size, size))
        found.append(np.asarray(image, np.float32) / 127.5 - 1)
    return np.stack(found)
