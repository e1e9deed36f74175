"""The golden vocabularies as the keys of a GGUF file, and the ids of the golden texts."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "golden" / "tokenizers"
TEXTS = json.loads((FOLDER / "texts.json").read_text())
PREFIX = "tokenizer.ggml."


def load(name):
    """(keys without the pre-tokenizer, {pre-tokenizer: ids of the reduced vocabulary a text})."""
    data = json.loads((FOLDER / f"{name}.json").read_text())
    small = {real: at for at, real in enumerate(data["ids"])}
    keys = {PREFIX + "model": "gpt2" if "merges" in data else "llama"}
    keys |= {PREFIX + k: data[k] for k in ("tokens", "token_type", "merges", "scores") if k in data}
    keys |= {PREFIX + key: small[value] for key, value in data.items() if key.endswith("token_id")}
    encoded = {
        pre: [[small[number] for number in ids] for ids in rows]
        for pre, rows in data["encoded"].items()
    }
    return keys, encoded


LLAMA3, LLAMA3_IDS = load("llama3")
MISTRAL, MISTRAL_IDS = load("mistral")
