"""The 27 causal graphs of CausalGAN, over CelebA's 40 attributes.

Kocaoglu et al. 2017 and mkocaoglu/CausalGAN, causal_graph.py. Five of the names end in
a blank there; the blank is dropped here.
"""

import networkx as nx

from causal_jax import graph as graphs

ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes"),
    *("Bald", "Bangs", "Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry"),
    *("Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses"),
    *("Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male"),
    *("Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face"),
    *("Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns"),
    *("Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat"),
    *("Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young"),
)

_BIG_ORDER = (
    "Young",
    "Male",
    "Eyeglasses",
    "Bald",
    "Mustache",
    "Smiling",
    "Wearing_Lipstick",
    "Mouth_Slightly_Open",
    "Narrow_Eyes",
)

# Each entry: the nodes in order and the edges; or "complete" and the nodes in order.
GRAPHS: dict[str, str] = {
    "big_causal_graph": f"""{" ; ".join(_BIG_ORDER)}
        Young -> Eyeglasses
        Male, Young -> Bald, Mustache, Smiling, Wearing_Lipstick
        Young, Smiling -> Mouth_Slightly_Open
        Male, Young, Smiling -> Narrow_Eyes""",
    "complete_big_causal_graph": "complete " + " ".join(_BIG_ORDER),
    "reverse_complete_big_causal_graph": "complete " + " ".join(_BIG_ORDER[::-1]),
    "indep_big_causal_graph": " ; ".join(_BIG_ORDER),
    "small_causal_graph": """Young ; Male
        Male, Young -> Mustache ; Male, Young -> Smiling
        Male, Young -> Wearing_Lipstick
        Male, Young, Smiling -> Mouth_Slightly_Open, Narrow_Eyes""",
    "complete_minimal_graph": "complete Young Male Mustache Wearing_Lipstick Smiling",
    "standard_graph": "Male ; Young ; Male, Young -> Smiling",
    "male_causes_beard": "Male -> No_Beard",
    "male_causes_mustache": "Male -> Mustache",
    "mustache_causes_male": "Male ; Mustache ; Mustache -> Male",
    "young_causes_gray": "Young -> Gray_Hair",
    "gray_causes_young": "Young ; Gray_Hair ; Gray_Hair -> Young",
    "young_ind_gray": "Young ; Gray_Hair",
    "male_ind_mustache": "Male ; Mustache",
    "Smiling_MSO": "Smiling -> Mouth_Slightly_Open",
    "MSO_smiling": "Smiling ; Mouth_Slightly_Open ; Mouth_Slightly_Open -> Smiling",
    "Male_Young_Eyeglasses": "Male ; Young ; Male, Young -> Eyeglasses",
    "Male_Young_Eyeglasses_complete": "complete Male Young Eyeglasses",
    "MYESO": "complete Male Young Eyeglasses Smiling Mouth_Slightly_Open",
    "mustache": "Mustache",
    "M": "Male",
    "male_smiling_lipstick": "Male ; Male -> Wearing_Lipstick ; Male -> Smiling",
    "SLM": "complete Smiling Wearing_Lipstick Male",
    "MLS": "complete Male Wearing_Lipstick Smiling",
    "male_mustache_lipstick": "complete Male Mustache Wearing_Lipstick",
    "subset1_nodes": "Bald ; Double_Chin ; Male ; Mustache ; No_Beard ; Smiling ; "
    "Wearing_Earrings ; Wearing_Lipstick ; Young",
    "complete_all": "complete " + " ".join(ATTRIBUTES),
}


def named(name: str) -> nx.DiGraph:
    """One of CausalGAN's 27 graphs, by its name there; all nodes are binary.

    `big_causal_graph` is the paper's Causal Graph 1, `complete_big_causal_graph` its
    cG1, `reverse_complete_big_causal_graph` its rcG1; `complete_all` is over the 40
    attributes of CelebA.
    """
    if name not in GRAPHS:
        raise ValueError(f"unknown graph {name!r}: {graphs.suggestion(name, GRAPHS)}")
    text = GRAPHS[name]
    if text.startswith("complete "):
        return graphs.complete(text.split()[1:])
    graph = graphs.from_text(text)
    return graphs.with_states(graph, dict.fromkeys(graph, graphs.BINARY))
