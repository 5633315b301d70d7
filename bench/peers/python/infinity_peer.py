"""Infinity's engine with its ONNX backend: infinity_peer.py MODEL_FOLDER"""

import asyncio
import sys
from importlib.metadata import version

from infinity_emb import AsyncEmbeddingEngine, EngineArgs

from peer_protocol import CandidateList, Peer, Setting, serve


class InfinityPeer(Peer):
    """Its engine batches over the calls in flight and sorts them by length itself: all queries are sent at once, as to a server."""

    def __init__(self, folder: str) -> None:
        self.version = version("infinity_emb")
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.engines: dict[int | None, AsyncEmbeddingEngine] = {}

    def prepare(self, setting: Setting) -> None:
        """The batch is an engine's own."""
        if setting["batch"] in self.engines:
            return
        options = {} if setting["batch"] is None else {"batch_size": setting["batch"]}
        engine = AsyncEmbeddingEngine.from_args(
            EngineArgs(
                model_name_or_path=self.folder,
                engine="optimum",
                device="cpu",
                trust_remote_code=False,
                model_warmup=False,
                **options,
            )
        )
        self.loop.run_until_complete(engine.astart())
        self.engines[setting["batch"]] = engine

    def score(self, lists: list[CandidateList], setting: Setting) -> list[list[float]]:
        return self.loop.run_until_complete(self._score_all(self.engines[setting["batch"]], lists))

    async def _score_all(self, engine: AsyncEmbeddingEngine, lists: list[CandidateList]) -> list[list[float]]:
        return await asyncio.gather(*(self._score_list(engine, each) for each in lists))

    async def _score_list(self, engine: AsyncEmbeddingEngine, each: CandidateList) -> list[float]:
        ranked, _ = await engine.rerank(query=each["query"], docs=each["documents"], raw_scores=True)
        scores = [0.0] * len(each["documents"])
        for result in ranked:
            scores[result.index] = result.relevance_score
        return scores


if __name__ == "__main__":
    serve(lambda: InfinityPeer(sys.argv[1]))
