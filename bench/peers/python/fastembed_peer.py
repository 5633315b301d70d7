"""fastembed's TextCrossEncoder: fastembed_peer.py MODEL_FOLDER"""

import sys
from importlib.metadata import version

from fastembed.rerank.cross_encoder import TextCrossEncoder

from peer_protocol import CandidateList, Peer, Setting, by_list, serve, sorted_pairs, texts_of


class FastembedPeer(Peer):
    def __init__(self, folder: str) -> None:
        self.version = version("fastembed")
        # The name only says which of its known models the folder stands for.
        self.model = TextCrossEncoder("Xenova/ms-marco-MiniLM-L-12-v2", specific_model_path=folder)

    def score(self, lists: list[CandidateList], setting: Setting) -> list[list[float]]:
        options = {} if setting["batch"] is None else {"batch_size": setting["batch"]}
        if not setting["sorted"]:
            return [list(self.model.rerank(each["query"], each["documents"], **options)) for each in lists]
        places = sorted_pairs(lists)
        return by_list(lists, places, list(self.model.rerank_pairs(texts_of(lists, places), **options)))


if __name__ == "__main__":
    serve(lambda: FastembedPeer(sys.argv[1]))
