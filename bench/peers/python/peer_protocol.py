"""What a peer speaks with the bench: a JSON object a line on standard input, an answer a line on standard output, one after another."""

import json
import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from typing import TypedDict


class CandidateList(TypedDict):
    query: str
    documents: list[str]


class Setting(TypedDict):
    # None leaves the batch to the library.
    batch: int | None
    # False: a call a query, candidates in the order they came. True: sorted by length, over all queries where the library's API takes pairs.
    sorted: bool


class Peer(ABC):
    version: str
    # "logit", or "probability" where the library gives nothing but the sigmoid.
    scale = "logit"

    def prepare(self, setting: Setting) -> None:
        """What a setting needs before it can be timed."""

    @abstractmethod
    def score(self, lists: list[CandidateList], setting: Setting) -> list[list[float]]:
        """Scores of each list's documents, in their order."""


def sorted_pairs(lists: list[CandidateList]) -> list[tuple[int, int]]:
    """Every pair as (list, document), by the length of its text: what a caller can know before tokenization."""
    places = [(which, position) for which, each in enumerate(lists) for position in range(len(each["documents"]))]
    return sorted(places, key=lambda place: len(lists[place[0]]["query"]) + len(lists[place[0]]["documents"][place[1]]))


def texts_of(lists: list[CandidateList], places: list[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(lists[which]["query"], lists[which]["documents"][position]) for which, position in places]


def by_list(lists: list[CandidateList], places: list[tuple[int, int]], scores: list[float]) -> list[list[float]]:
    """Scores in the order of `places`, put back where they belong."""
    result = [[float("nan")] * len(each["documents"]) for each in lists]
    for (which, position), score in zip(places, scores, strict=True):
        result[which][position] = float(score)
    return result


def _answer(peer: Peer, lists: list[CandidateList], message: dict) -> dict:
    setting: Setting = message["setting"]
    chosen = lists[: message["queries"]]
    peer.prepare(setting)
    started = time.perf_counter()
    scores = peer.score(chosen, setting)
    return {"seconds": time.perf_counter() - started, "scores": scores}


def serve(load) -> None:
    """Loads the peer and answers until standard input ends."""
    # Libraries print as they like; the answers keep the real standard output for themselves.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(message: dict) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    peer: Peer = load()
    reply({"version": peer.version, "scale": peer.scale})
    lists: list[CandidateList] = []
    for line in sys.stdin:
        message = json.loads(line)
        if "lists" in message:
            lists = message["lists"]
            reply({})
            continue
        try:
            reply(_answer(peer, lists, message))
        except Exception as error:  # One setting that fails leaves the others to be measured.
            traceback.print_exc()
            reply({"error": f"{type(error).__name__}: {error}"})
