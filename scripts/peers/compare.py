"""Says how far this project's logits are from those of transformers and PEFT for the same files.

    python compare.py TOKENS COUNT NAME MODEL LOGITS [ADAPTER]  [-- NAME MODEL LOGITS [ADAPTER]]..

MODEL and ADAPTER are folders in the hub's and PEFT's layout, LOGITS is what `examples/peer.rs logits` wrote for the
first COUNT tokens of TOKENS. Fails where a logit differs by 1e-3 or more.
"""

import itertools
import sys

import numpy
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

BOUND = 1e-3


def logits(tokens, model_folder, adapter_folder):
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    if adapter_folder:
        model = PeftModel.from_pretrained(model, adapter_folder)
    model.eval()
    with torch.no_grad():
        return model(tokens[None]).logits[0].numpy()


def main():
    tokens_file, count, *rest = sys.argv[1:]
    tokens = numpy.fromfile(tokens_file, dtype=numpy.uint32)[: int(count)].astype(numpy.int64)
    groups = [list(group) for is_bound, group in itertools.groupby(rest, lambda word: word == "--") if not is_bound]
    fails = False
    for name, model, logits_file, *adapter in groups:
        peer = logits(torch.from_numpy(tokens), model, adapter[0] if adapter else None)
        ours = numpy.fromfile(logits_file, dtype=numpy.float32).reshape(peer.shape)
        worst = float(numpy.abs(peer - ours).max())
        fails |= not worst < BOUND
        print(f"{name}: {worst:.1e} at most, over {peer.size} logits within {numpy.abs(peer).max():.0f}")
    sys.exit(1 if fails else 0)


main()
