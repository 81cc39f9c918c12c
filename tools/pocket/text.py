"""The tokenizer (CLIP's byte BPE, trained on the captions) and the two text encoders."""

import json

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from data import WORK

LENGTH = 24
START, END = "<|startoftext|>", "<|endoftext|>"
PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def make_tokenizer():
    """Trains and saves both tokenizer folders (they are equal) and returns the tokenizer."""
    captions = [line.split("\t")[0] for line in (WORK / "train.txt").read_text().splitlines()]
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(captions, trainers.BpeTrainer(
        vocab_size=1200, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False))
    model = json.loads(bpe.to_str())["model"]
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    words = alphabet + [a + "</w>" for a in alphabet] + [m.replace(" ", "") for m in merges]
    vocab = {}
    for word in words + [START, END]:
        vocab.setdefault(word, len(vocab))
    for folder in ("tokenizer", "tokenizer_2"):
        path = WORK / "torch" / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
        (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
        tokenizer = CLIPTokenizer(str(path / "vocab.json"), str(path / "merges.txt"), bos_token=START, eos_token=END,
                                  unk_token=END, pad_token=END, model_max_length=LENGTH)
        tokenizer.save_pretrained(path)
    return tokenizer


def load_tokenizer():
    return CLIPTokenizer.from_pretrained(WORK / "torch" / "tokenizer")


def ids_of(tokenizer, captions):
    return torch.tensor(tokenizer(captions, padding="max_length", truncation=True, max_length=LENGTH).input_ids)


def make_encoders(tokenizer):
    common = dict(vocab_size=len(tokenizer), max_position_embeddings=LENGTH, bos_token_id=tokenizer.bos_token_id,
                  eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    first = CLIPTextModel(CLIPTextConfig(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2,
                                         hidden_act="quick_gelu", projection_dim=64, **common))
    second = CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=128, intermediate_size=512, num_hidden_layers=3,
                                                        num_attention_heads=4, hidden_act="gelu", projection_dim=128, **common))
    return first, second


def encode(first, second, ids):
    """Penultimate states of both encoders side by side [n, tokens, 192] and the pooled projection [n, 128]."""
    a = first(ids, output_hidden_states=True).hidden_states[-2]
    out = second(ids, output_hidden_states=True)
    return torch.cat([a, out.hidden_states[-2]], dim=-1), out.text_embeds
