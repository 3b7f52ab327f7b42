# %% [markdown]
# # See, do, imagine
#
# Pearl's ladder of causation has three rungs. In this library they are three calls of
# one model:
#
# | rung | question | call |
# |---|---|---|
# | **see** | Who are the people with a mustache? | `sample(given={"Mustache": 1})` |
# | **do** | What if everybody were given one? | `sample(do={"Mustache": 1})` |
# | **imagine** | What would *this* person be, with one? | `counterfactual`, `twins` |
#
# A structural causal model (SCM) is a graph, and for each node a function of its
# parents and of noise of its own. Noise is everything that is particular to a unit,
# here to a person. All three rungs evaluate the same functions: *seeing* on drawn
# noise, *doing* with a function replaced, *imagining* with a function replaced and the
# noise that this person has.
#
# The data are faces that the library draws, with a law that is known, so each answer
# can be checked. Nothing is downloaded. On two CPU cores this takes about a minute;
# GPUs and TPUs need no edit.

# %%
import time
from functools import partial

import jax
import jax.numpy as jnp

import causal_jax
from causal_jax import Randomize, plot
from causal_jax.data import faces
from causal_jax.queries.draws import label_model
from causal_jax.recipes import recipe, registry

# %% [markdown]
# ## Learn a model
#
# Nine labels along CausalGAN's graph, and an image below them. In these data no woman
# has a mustache. The labels' laws are learned from 202,599 rows, by maximum likelihood;
# the call below is what `causal-jax train --config=faces_labels:mle` does, and it goes
# on where it stopped if it is run again.
#
# The image's function is either the drawing itself, which is known, or a network that
# is learned too (CausalGAN): some five minutes more on two CPU cores, less on a GPU.

# %%
IMAGES = "drawn"  # @param ["drawn", "learned"]

if IMAGES == "learned":
    recipe.train(registry.get_config("faces_causal_gan:quickstart"), "runs/faces_gan")
    scm, params = causal_jax.load("runs/faces_gan")
else:
    config = registry.get_config("faces_labels:mle")
    config.num_steps = 1000
    recipe.train(config, "runs/faces_labels")
    labels, params = causal_jax.load("runs/faces_labels")
    drawing = faces.Renderer(size=32)
    scm = labels.extend("image", parents=labels.nodes, mechanism=drawing)
    params = {**params, "image": {}}

# The labels alone, for questions that need no image.
labels, label_params = label_model(scm, params)
scm

# %% [markdown]
# ## See
#
# Twelve people, and below each one their labels:

# %%
key = jax.random.key(0)
plot.samples(scm, scm.sample(params, key, num=12), num=12)

# %% [markdown]
# *Given* a mustache: those people, of all people, who happen to have one. They are men.
# (A mustache is rare; the library does not wait for one to turn up, it conditions
# exactly.)

# %%
plot.samples(scm, scm.sample(params, key, num=8, given={"Mustache": 1}))

# %% [markdown]
# ## Do
#
# Under `do(Mustache = 1)` everybody is made to have one. The mustache no longer listens
# to its causes, so the edges into it are cut:

# %%
plot.graph(scm, do={"Mustache": 1}, title="do(Mustache = 1)")

# %%
plot.samples(scm, scm.sample(params, key, num=8, do={"Mustache": 1}))

# %% [markdown]
# Women with a mustache: a combination that no training row has. A mustache does not
# make anybody a man, and the model knows it, because the graph says which way causes
# run:

# %%
questions = {
    "seen": {},
    "given Mustache = 1": {"given": {"Mustache": 1}},
    "do(Mustache = 1)": {"do": {"Mustache": 1}},
}
answers = {
    text: labels.sample(label_params, key, num=10_000, **question)
    for text, question in questions.items()
}
plot.bars(labels, answers, nodes=["Male", "Young", "Mustache", "Wearing_Lipstick"])

# %%
world, tables = faces.label_scm()  # what the rows were drawn from
for text, question in questions.items():
    truth = world.sample(tables, key, num=10_000, **question)["Male"].mean()
    model = answers[text]["Male"].mean()
    print(f"P(Male) {text:20} model {model:.3f}   truth {truth:.3f}")

# %% [markdown]
# ## One compilation, many interventions
#
# What is done is *traced*: JAX compiles a program for **which** nodes are done, and the
# values are its inputs. The counter below is plain Python inside the function; it runs
# only while JAX traces. Change the form's values and run the cell again: the picture
# changes, the counter does not.

# %%
num_compiled = 0


@partial(jax.jit, static_argnames="num")
def people(params, key, smiling, glasses, share_of_mustaches, num=8):
    """People who are made to smile or not, ...; a share of them gets a mustache."""
    global num_compiled
    num_compiled += 1
    trial = Randomize(jnp.stack([1 - share_of_mustaches, share_of_mustaches]))
    do = {"Smiling": smiling, "Eyeglasses": glasses, "Mustache": trial}
    return scm.sample(params, key, num=num, do=do)


def timed(smiling, glasses, share):
    """The people, and how many milliseconds they took."""
    started = time.perf_counter()
    result = people(params, key, smiling, glasses, float(share))
    jax.block_until_ready(result)
    return result, 1000 * (time.perf_counter() - started)


_, cold = timed(0, 0, 0.0)
warm = [timed(i % 2, i // 2, 0.25 * i)[1] for i in range(4)]
print(f"cold (compiling): {cold:.0f} ms")
print("warm, other values each time:", ", ".join(f"{ms:.1f} ms" for ms in warm))
print(f"compiled {num_compiled} time(s)")
assert num_compiled == 1

# %%
SMILING = 1  # @param {type:"slider", min:0, max:1, step:1}
GLASSES = 1  # @param {type:"slider", min:0, max:1, step:1}
SHARE_OF_MUSTACHES = 0.5  # @param {type:"slider", min:0, max:1, step:0.05}

result, milliseconds = timed(SMILING, GLASSES, SHARE_OF_MUSTACHES)
print(f"{milliseconds:.1f} ms; compiled {num_compiled} time(s)")
plot.samples(scm, result)

# %% [markdown]
# Where sliders are at hand (Colab has them, elsewhere `pip install ipywidgets`), the
# same without running a cell again:

# %%
try:
    from ipywidgets import interact
except ImportError:
    print("no ipywidgets here: use the form above")
else:

    @interact(smiling=(0, 1), glasses=(0, 1), share=(0.0, 1.0, 0.05))
    def show(smiling=0, glasses=0, share=1.0):
        """Redraws, without compiling."""
        result, milliseconds = timed(smiling, glasses, share)
        print(f"{milliseconds:.1f} ms; compiled {num_compiled} time(s)")
        return plot.samples(scm, result)


# %% [markdown]
# Since values are traced, a whole grid of interventions is a `vmap` over them: here all
# four combinations at once, for the same eight people.

# %%
smiling, glasses = jnp.array([0, 0, 1, 1]), jnp.array([0, 1, 0, 1])
grid = jax.vmap(lambda s, g: people(params, key, s, g, 0.0))(smiling, glasses)
plot.images(
    grid["image"],
    row_labels=[
        f"smiling {s}, glasses {g}" for s, g in zip(smiling, glasses, strict=True)
    ],
)

# %% [markdown]
# ## Imagine
#
# *Twins* are the same people in two worlds: all noise is shared, so whatever is not
# below the intervention stays as it is, to the bit. Below each twin stands what
# changed. An open mouth often comes with a smile, so some mouths open too.

# %%
before, after = scm.twins(params, key, num=8, do={"Smiling": 1, "Eyeglasses": 1})
plot.twins(scm, before, after)

# %% [markdown]
# And somebody whose labels are all that is known, whose noise was never seen? It is
# *abducted*: drawn from what it can have been, given the labels. Take a young man who
# does not smile, with his mouth closed. Had he smiled, would his mouth be open?

# %%
person = dict.fromkeys(labels.nodes, 0) | {"Young": 1, "Male": 1}
people_like_him = {name: jnp.full(10_000, state) for name, state in person.items()}
do = {"Smiling": 1}
imagined = labels.counterfactual(label_params, key, people_like_him, do=do)
true = world.counterfactual(tables, key, people_like_him, do=do)
for text, values in {"model": imagined, "truth": true}.items():
    share = values["Mouth_Slightly_Open"].mean()
    print(f"mouth open, had he smiled: {share:.3f} ({text})")
unchanged = [n for n in labels.nodes if (imagined[n] == people_like_him[n]).all()]
print("surely as they are:", ", ".join(unchanged))

# %% [markdown]
# ## What to keep in mind
#
# * With the right graph and no hidden common causes, what is *done* follows from what
#   is *seen*. A model does not know whether its graph is right.
# * What *would have been* does not follow from either: it depends on how noise is
#   coupled to values, an assumption that no data can check. The notebook
#   `your_own_graph` shows bounds that hold whatever the coupling is.
#
# Next: `counterfactual_mnist` (counterfactual pictures train a better classifier),
# `your_own_graph` (your own columns), and `causal-jax quickstart` (a CausalGAN of these
# faces, learned and measured in five minutes).
