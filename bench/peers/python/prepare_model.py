"""Lays a quantized ONNX cross-encoder out as a Hugging Face folder with torch weights: prepare_model.py SOURCE_FOLDER TARGET_FOLDER

The weights of the torch model are those of the ONNX file, dequantized: no hub is asked for others.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import BertConfig, BertForSequenceClassification

# ms-marco-MiniLM-L-12-v2; a dimension that is wrong does not load.
CONFIG = BertConfig(
    vocab_size=30_522, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1_536, num_labels=1
)


def parameter_of(node: onnx.NodeProto) -> str:
    """`/bert/encoder/layer.0/output/dense/MatMul_quant` → `bert.encoder.layer.0.output.dense.weight`"""
    return node.name.rsplit("/", 1)[0].lstrip("/").replace("/", ".") + ".weight"


def torch_weights(path: Path) -> dict[str, torch.Tensor]:
    graph = onnx.load(str(path)).graph
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def dequantized(name: str) -> np.ndarray:
        base = name.removesuffix("_quantized")
        levels = stored[name].astype(np.float32) - stored[f"{base}_zero_point"].astype(np.float32)
        return levels * stored[f"{base}_scale"].astype(np.float32)

    weights = {
        name: array
        for name, array in stored.items()
        if name.startswith(("bert.", "classifier.")) and name.endswith((".weight", ".bias"))
    }
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            # A product with the transpose of what torch keeps.
            weights[parameter_of(node)] = dequantized(node.input[1]).T
        elif node.op_type == "Gather" and node.input[0].endswith("_quantized"):
            weights[parameter_of(node)] = dequantized(node.input[0])
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in weights.items()}


def copy_tokenizer(source: Path, target: Path) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        (target / name).write_bytes((source / name).read_bytes())
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    # The file pads every text to 512 tokens; with that, no library would stand a chance.
    tokenizer["padding"] = tokenizer["truncation"] = None
    (target / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def main(source: Path, target: Path) -> None:
    model = BertForSequenceClassification(CONFIG)
    model.load_state_dict(torch_weights(source / "model.onnx"))
    model.save_pretrained(target)
    copy_tokenizer(source, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
