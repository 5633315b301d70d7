"""Writes reference-scores.json: what Python onnxruntime and the reference tokenizer answer for reference-pairs.json, one text a run.

Usage: python write-reference-scores.py CACHE, where CACHE is the folder that holds the default models
(ms-marco-MiniLM-L-12-v2@int8 and bge-small-en-v1.5@int8). Needs onnxruntime, tokenizers and numpy.
"""

import json
import pathlib
import sys

import numpy
import onnxruntime
import tokenizers

HERE = pathlib.Path(__file__).parent
QUERY_PREFIX = "Represent this sentence for searching relevant passages: "


class Model:
    def __init__(self, folder: pathlib.Path):
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(512)

    def run(self, *texts: str):
        encoding = self.tokenizer.encode(*texts)
        rows = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feeds = {name: numpy.array([row], dtype=numpy.int64) for name, row in rows.items()}
        return self.session.run(None, feeds)[0], len(encoding.ids)


def main() -> None:
    cache = pathlib.Path(sys.argv[1])
    given = json.loads((HERE / "reference-pairs.json").read_text("utf-8"))
    reranker = Model(cache / "ms-marco-MiniLM-L-12-v2@int8")
    embedder = Model(cache / "bge-small-en-v1.5@int8")

    def vector(text: str):
        first = embedder.run(text)[0][0, 0]
        return first / numpy.linalg.norm(first)

    pairs = []
    for pair in given["pairs"]:
        logits, tokens = reranker.run(pair["query"], pair["passage"])
        pairs.append({"tokens": tokens, "logit": round(float(logits[0, 0]), 5)})
    passages = [vector(passage) for passage in given["passages"]]
    cosines = [
        [round(float(vector(QUERY_PREFIX + query) @ passage), 5) for passage in passages] for query in given["queries"]
    ]
    (HERE / "reference-scores.json").write_text(json.dumps({"pairs": pairs, "cosines": cosines}, indent=2) + "\n", "utf-8")


main()
