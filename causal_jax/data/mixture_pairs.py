"""Which pictures are mixed: every class gets and gives equally often.

The k-th picture of class s takes its partner from class s + d_k (modulo the number of
classes), where d_1, d_2, ... runs through the classes other than s itself, in an order
drawn once and again and again. So each k pairs all classes with all classes: for any
number of pictures per class, shapes and textures are balanced exactly. Within a class
the picture that was used least is taken, at random among equals.
"""

from collections.abc import Sequence

import numpy as np


def conflict_pairs(
    labels: np.ndarray, num: int, random: np.random.Generator, *, names: Sequence[str]
) -> np.ndarray:
    """Pairs of pictures of different classes: whose shape, and whose texture.

    Args:
      labels: int [N] in 0 .. K - 1.
      num: pairs of each class of shapes. A picture is used several times where there
        are more pairs than pictures, never twice with the same partner.
      random: draws them.
      names: of the K classes.

    Returns:
      int [K * num, 2], class by class.

    Raises:
      ValueError: fewer than two classes, a class without a picture, or more pairs than
        there are.

    >>> pairs = conflict_pairs(np.arange(3), 2, np.random.default_rng(0), names="abc")
    >>> sorted(pairs.tolist())
    [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]]
    """
    members = _members(labels, names)
    others = _other_classes(len(names), num, random)
    sizes = np.array([len(one) for one in members])
    _require_enough(sizes, others, names)
    used, taken = np.zeros((2, len(labels)), int), set()
    found = []
    for label, own in enumerate(members):
        for other in others:
            partners = members[(label + other) % len(names)]
            free = {i: [j for j in partners if (i, j) not in taken] for i in own}
            shape = _least_used([i for i in own if free[i]], used[0], random)
            texture = _least_used(free[shape], used[1], random)
            used[0, shape] += 1
            used[1, texture] += 1
            taken.add((shape, texture))
            found.append((shape, texture))
    return np.array(found)


def background_pairs(
    labels: np.ndarray,
    gives: np.ndarray,
    num: int,
    random: np.random.Generator,
    *,
    names: Sequence[str],
) -> np.ndarray:
    """Whose object, whose background of the same class, whose of another one.

    Args:
      labels: int [N] in 0 .. K - 1.
      gives: bool [N], whether a picture may give a background.
      num: objects of each class, at most; no picture is the object twice.
      random: draws them.
      names: of the K classes.

    Returns:
      int [M, 3], class by class. The second column differs from the first.

    Raises:
      ValueError: fewer than two classes, or one without two pictures of which one gives
        a background to the other.

    >>> labels, gives = np.array([0, 0, 1, 1]), np.array([True, True, True, True])
    >>> pairs = background_pairs(
    ...     labels, gives, 5, np.random.default_rng(0), names="ab")
    >>> labels[pairs].tolist()
    [[0, 0, 1], [0, 0, 1], [1, 1, 0], [1, 1, 0]]
    """
    members = _members(labels, names)
    others = _other_classes(len(names), num, random)
    donors = [own[gives[own]] for own in members]
    for label, own in enumerate(donors):
        if not len(own):
            raise ValueError(
                f"class {names[label]!r} has no picture that leaves enough background "
                "beside its object: raise max_hole, or leave the class out"
            )
    used, found = np.zeros((2, len(labels)), int), []
    for label, own in enumerate(members):
        objects = [at for at in random.permutation(own) if (donors[label] != at).any()]
        if not objects:
            raise ValueError(
                f"class {names[label]!r} has one usable picture: a background of the "
                "same class takes two"
            )
        for k, at in enumerate(objects[:num]):
            same = donors[label][donors[label] != at]
            row = [at]
            for i, pool in enumerate((same, donors[(label + others[k]) % len(names)])):
                row.append(_least_used(pool, used[i], random))
                used[i, row[-1]] += 1
            found.append(row)
    return np.array(found)


def _members(labels: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
    """The pictures of each class."""
    if len(names) < 2:
        raise ValueError(f"there are {len(names)} classes: mixing takes two or more")
    members = [np.flatnonzero(labels == label) for label in range(len(names))]
    for name, own in zip(names, members, strict=True):
        if not len(own):
            raise ValueError(f"class {name!r} has no picture that can be used")
    return members


def _other_classes(num_classes: int, num: int, random) -> np.ndarray:
    """Distances to the partner's class, [num], each equally often."""
    if num < 1:
        raise ValueError(f"num={num}: give at least 1 picture per class")
    return np.resize(random.permutation(np.arange(1, num_classes)), num)


def _require_enough(sizes: np.ndarray, others: np.ndarray, names) -> None:
    for other in np.unique(others):
        needed, there = (others == other).sum(), sizes * np.roll(sizes, -other)
        if needed > there.min():
            label = int(there.argmin())
            partner = names[(label + other) % len(names)]
            raise ValueError(
                f"num={len(others)} asks for {needed} pairs of {names[label]!r} and "
                f"{partner!r}, there are {there[label]}: give a smaller num"
            )


def _least_used(pool: Sequence[int], used: np.ndarray, random) -> int:
    pool, counts = np.asarray(pool), used[pool]
    return int(random.choice(pool[counts == counts.min()]))
