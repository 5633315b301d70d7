"""Writes reference-tokens.json: a digest of what the reference tokenizer answers for each case and layout.

Usage: node test/golden/write-token-cases.ts FOLDER && python test/golden/write-reference-tokens.py FOLDER CACHE
where CACHE is the folder that holds the default model (ms-marco-MiniLM-L-12-v2@int8). Needs tokenizers (0.23.3 wrote what is committed).
To see the ids of one case: add LAYOUT NUMBER.
"""

import hashlib
import json
import pathlib
import sys

import tokenizers

HERE = pathlib.Path(__file__).parent
DEFAULT = "ms-marco-MiniLM-L-12-v2"


def digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def encode(file: pathlib.Path, given: dict) -> list:
    tokenizer = tokenizers.Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(given["window"], strategy="only_second")
    pairs = [(case["query"], case["passage"]) for case in given["cases"]]
    encoded = tokenizer.encode_batch(pairs)
    assert all(set(one.attention_mask) == {1} for one in encoded)
    return [[one.ids, one.type_ids] for one in encoded]


def main() -> None:
    folder, cache = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = (folder / "cases.json").read_text("utf-8")
    given = json.loads(text)
    files = {file.stem: file for file in sorted(folder.glob("*.json")) if file.stem != "cases"}
    files[DEFAULT] = cache / f"{DEFAULT}@int8" / "tokenizer.json"
    if len(sys.argv) > 3:
        encoded = encode(files[sys.argv[3]], given)[int(sys.argv[4])]
        tokenizer = tokenizers.Tokenizer.from_file(str(files[sys.argv[3]]))
        print(given["cases"][int(sys.argv[4])], [(token, tokenizer.id_to_token(token)) for token in encoded[0]])
        return
    layouts = {}
    for name, file in files.items():
        rows = [json.dumps(row, separators=(",", ":")) for row in encode(file, given)]
        layouts[name] = {"tokenizer": digest(file.read_text("utf-8")), "cases": [digest(row)[:10] for row in rows]}
    reference = {"tokenizers": tokenizers.__version__, "given": digest(text), "layouts": layouts}
    (HERE / "reference-tokens.json").write_text(json.dumps(reference, indent=1) + "\n", "utf-8")


main()
