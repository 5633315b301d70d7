"""sentence-transformers' CrossEncoder: sentence_transformers_peer.py (onnx|torch) MODEL_FOLDER"""

import sys

import sentence_transformers
import torch
from sentence_transformers import CrossEncoder

from peer_protocol import CandidateList, Peer, Setting, by_list, serve, sorted_pairs, texts_of


class SentenceTransformersPeer(Peer):
    def __init__(self, backend: str, folder: str) -> None:
        self.version = sentence_transformers.__version__
        options = {"file_name": "onnx/model.onnx", "provider": "CPUExecutionProvider"} if backend == "onnx" else {}
        self.model = CrossEncoder(
            folder, backend=backend, device="cpu", local_files_only=True, model_kwargs=options, activation_fn=torch.nn.Identity()
        )

    def score(self, lists: list[CandidateList], setting: Setting) -> list[list[float]]:
        options = {} if setting["batch"] is None else {"batch_size": setting["batch"]}
        if not setting["sorted"]:
            calls = ([(each["query"], document) for document in each["documents"]] for each in lists)
            return [self.model.predict(pairs, show_progress_bar=False, **options).tolist() for pairs in calls]
        # It sorts the pairs of a call itself.
        places = sorted_pairs(lists)
        return by_list(lists, places, self.model.predict(texts_of(lists, places), show_progress_bar=False, **options).tolist())


if __name__ == "__main__":
    serve(lambda: SentenceTransformersPeer(sys.argv[1], sys.argv[2]))
