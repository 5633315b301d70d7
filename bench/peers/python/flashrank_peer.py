"""FlashRank's Ranker: flashrank_peer.py MODEL_FOLDER"""

import sys
from importlib.metadata import version
from pathlib import Path

from flashrank import Ranker, RerankRequest

from peer_protocol import CandidateList, Peer, Setting, serve


class FlashrankPeer(Peer):
    scale = "probability"

    def __init__(self, folder: Path) -> None:
        self.version = version("FlashRank")
        self.ranker = Ranker(folder.name, cache_dir=str(folder.parent), log_level="WARNING")

    def score(self, lists: list[CandidateList], setting: Setting) -> list[list[float]]:
        return [self._score_list(each, setting) for each in lists]

    def _score_list(self, each: CandidateList, setting: Setting) -> list[float]:
        """A call is one query and one batch: smaller batches are more calls."""
        passages = [{"id": position, "text": document} for position, document in enumerate(each["documents"])]
        if setting["sorted"]:
            passages.sort(key=lambda passage: len(passage["text"]))
        batch = setting["batch"] or len(passages)
        scores = [0.0] * len(passages)
        for start in range(0, len(passages), batch):
            for ranked in self.ranker.rerank(RerankRequest(query=each["query"], passages=passages[start : start + batch])):
                scores[ranked["id"]] = float(ranked["score"])
        return scores


if __name__ == "__main__":
    serve(lambda: FlashrankPeer(Path(sys.argv[1])))
