"""Which nodes of a large graph are evaluated together: chunks of nodes that are alike.

A list schedule (Hu 1961): a node is ready once its parents are done; the next chunk is
of the kind whose ready nodes fill it best, those with most nodes below them first.
"""

import heapq
from collections.abc import Sequence

Chunk = tuple[int, list[int]]  # a kind, and nodes of that kind


def chunks(
    parents: Sequence[Sequence[int]], kinds: Sequence[int], widths: Sequence[int]
) -> list[Chunk]:
    """Orders nodes in chunks of one kind, each behind the parents of its nodes.

    Args:
      parents: the parents of each node, all of smaller index.
      kinds: the kind of each node.
      widths: how many nodes a chunk of each kind holds at most.

    Example:
      >>> chunks([[], [], [0], [1], [2, 3]], [0, 0, 1, 1, 1], [4, 4])
      [(0, [0, 1]), (1, [2, 3]), (1, [4])]
    """
    children: list[list[int]] = [[] for _ in parents]
    for node, above in enumerate(parents):
        for parent in set(above):
            children[parent].append(node)
    depth = [0] * len(parents)  # edges on the longest way down
    for node in reversed(range(len(parents))):
        depth[node] = max((depth[child] + 1 for child in children[node]), default=0)
    waiting = [len(set(above)) for above in parents]
    ready: list[list[tuple[int, int]]] = [[] for _ in widths]

    def is_ready(node: int) -> None:
        heapq.heappush(ready[kinds[node]], (-depth[node], node))

    for node, count in enumerate(waiting):
        if not count:
            is_ready(node)
    found = []
    while any(ready):
        kind = max(
            (k for k, nodes in enumerate(ready) if nodes),
            key=lambda k: (min(len(ready[k]) / widths[k], 1), -ready[k][0][0]),
        )
        taken = min(widths[kind], len(ready[kind]))
        nodes = [heapq.heappop(ready[kind])[1] for _ in range(taken)]
        found.append((kind, nodes))
        for node in nodes:
            for child in children[node]:
                waiting[child] -= 1
                if not waiting[child]:
                    is_ready(child)
    return found
