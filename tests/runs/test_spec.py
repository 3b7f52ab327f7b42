import json

import pytest

import causal_jax
from causal_jax import SCM, LinearGaussian
from causal_jax import graph as graphs
from causal_jax.data import faces
from causal_jax.networks.cgn import imagenet, mnist
from causal_jax.networks.controller import controller, reference_controller
from causal_jax.networks.image import ImageGenerator
from causal_jax.runs import spec


def test_specification_round_trips_every_mechanism(tmp_path):
    binary = graphs.named("small_causal_graph")
    image = ImageGenerator((2,) * 7, resolution=32, label_noise="corrected")
    labels = (reference_controller(binary), controller(binary))
    with_images = [
        scm.extend("image", parents=scm.nodes, mechanism=image) for scm in labels
    ]
    written = set()
    linear = SCM("x -> y", {"x": LinearGaussian(), "y": LinearGaussian(1)})
    natural = imagenet.scm(shared_noise=True)
    others = (mnist.scm(), mnist.gan(), natural, faces.label_scm()[0], linear)
    for scm in (*with_images, *others):
        spec.save_spec(tmp_path, scm)
        assert spec.load_spec(tmp_path) == scm
        written |= {type(mechanism).__name__ for mechanism in scm.mechanisms.values()}
    assert written >= set(spec.MECHANISMS)


def test_a_mechanism_that_no_file_can_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="node 'image' cannot be written to a file"):
        spec.save_spec(tmp_path, faces.scm(8)[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("NeuralCategorical", "os.system"),
        lambda text: json.dumps({"nodes": 3}),
        lambda text: text.replace("hidden", "hiden"),
    ],
)
def test_damaged_or_foreign_specification_is_refused(workdir, damage):
    path = workdir / "scm.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(
        ValueError, match=r"scm.json is damaged .*writes it anew"
    ) as raised:
        causal_jax.load(workdir)
    assert "\n" not in str(raised.value)
