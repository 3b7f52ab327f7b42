"""All kinds of hostile weight files: {name: function that writes one}."""

from tests.hostile import containers, onnx_files, pickles

KINDS = pickles.KINDS | containers.KINDS | onnx_files.KINDS
