"""All kinds of hostile weight files: {name: function that writes one}."""

from tests.hostile import containers, pickles

KINDS = pickles.KINDS | containers.KINDS
