"""The networks of the models in PyTorch, whose parameters have the models' names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Reader(nn.Module):
    """An embedding, if there is one, recurrent layers over packed sequences, dropout."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        embedding: int | None = None,
        cell: type[nn.Module] = nn.LSTM,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        factor: int = 1,
    ) -> None:
        super().__init__()
        self.embedding = None if embedding is None else nn.Embedding(inputs, embedding)
        self.recurrent = cell(
            embedding or inputs,
            hidden,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(factor * hidden * (1 + bidirectional), outputs)

    def read(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Any]:
        if self.embedding is not None:
            x = self.dropout(self.embedding(x))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        h, state = self.recurrent(packed)
        return pad_packed_sequence(h, batch_first=True)[0], state


class StepNetwork(Reader):
    """Scores of every step, ``(B, T, K)``."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.output(self.dropout(self.read(x, lengths)[0]))


class LastNetwork(Reader):
    """Scores of the last state, ``(B, K)``."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        state = self.read(x, lengths)[1]
        h = state[0] if isinstance(state, tuple) else state
        return self.output(self.dropout(h[-1]))


class WindowNetwork(Reader):
    """Scores of the last output of windows of one length, ``(B, K)``."""

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dropout(self.recurrent(x)[0][:, -1]))


class PooledNetwork(Reader):
    """Scores of the last states, the mean and the largest outputs side by side, ``(B, K)``."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        h, (last, _) = self.read(x, lengths)
        inside = torch.arange(h.shape[1]) < lengths[:, None]
        mean = h.sum(dim=1) / lengths[:, None]
        most = h.masked_fill(~inside[..., None], -torch.inf).amax(dim=1)
        v = torch.cat([last[-2], last[-1], mean, most], dim=1)
        return self.output(self.dropout(v))


class LanguageNetwork(nn.Module):
    """Scores of the next token, and the state to go on from."""

    def __init__(
        self, tokens: int, embedding: int, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens + 1, embedding)
        self.recurrent = nn.LSTM(embedding, hidden, layers, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, tokens)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        h, state = self.recurrent(self.dropout(self.embedding(x)), state)
        return self.output(self.dropout(h)), state


class CRF(nn.Module):
    """A conditional random field as packages for PyTorch write it, a step at a time."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.empty(tags))
        self.transitions = nn.Parameter(torch.empty(tags, tags))
        self.end = nn.Parameter(torch.empty(tags))

    def forward(self, scores: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Return the sum of ``-log P(y)``; ``(B, T, K)``, ``(B, T)``, ``(B, T)``."""
        rows = torch.arange(len(scores))
        path = self.start[tags[:, 0]] + scores[rows, 0, tags[:, 0]]
        total = self.start + scores[:, 0]
        for t in range(1, scores.shape[1]):
            inside = mask[:, t]
            step = self.transitions[tags[:, t - 1], tags[:, t]] + scores[rows, t, tags[:, t]]
            path = path + step * inside
            following = total[:, :, None] + self.transitions + scores[:, t, None]
            total = torch.where(inside[:, None], following.logsumexp(dim=1), total)
        last = tags[rows, mask.sum(dim=1) - 1]
        return ((total + self.end).logsumexp(dim=1) - path - self.end[last]).sum()

    def decode(self, scores: Tensor, mask: Tensor) -> list[list[int]]:
        """Return the likeliest tags."""
        best, came = self.start + scores[:, 0], []
        for t in range(1, scores.shape[1]):
            most, before = (best[:, :, None] + self.transitions + scores[:, t, None]).max(dim=1)
            best = torch.where(mask[:, t, None], most, best)
            came.append(before)
        best, found = best + self.end, []
        for b, length in enumerate(mask.sum(dim=1).tolist()):
            tag = int(best[b].argmax())
            tags = [tag]
            for before in reversed(came[: length - 1]):
                tag = int(before[b][tag])
                tags.append(tag)
            found.append(tags[::-1])
        return found


class CRFNetwork(StepNetwork):
    """`StepNetwork` with a `CRF` above it."""

    def __init__(self, inputs: int, hidden: int, outputs: int, **options: Any) -> None:
        super().__init__(inputs, hidden, outputs, **options)
        self.crf = CRF(outputs)


class Translator(nn.Module):
    """An encoder in both directions, a decoder, attention with a matrix (Luong et al. 2015)."""

    def __init__(
        self, sources: int, targets: int, embedding: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        wide = 2 * hidden
        self.encoder_embedding = nn.Embedding(sources, embedding)
        self.encoder_recurrent = nn.LSTM(embedding, hidden, batch_first=True, bidirectional=True)
        self.decoder_embedding = nn.Embedding(targets + 1, embedding)
        self.decoder_recurrent = nn.LSTM(embedding, wide, batch_first=True)
        self.attention = nn.Linear(wide, wide, bias=False)
        self.combine = nn.Linear(2 * wide, wide, bias=False)
        self.output = nn.Linear(wide, targets)
        self.dropout = nn.Dropout(dropout)

    def encode(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Any]:
        packed = pack_padded_sequence(
            self.dropout(self.encoder_embedding(x)),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        h, state = self.encoder_recurrent(packed)
        memory = self.dropout(pad_packed_sequence(h, batch_first=True)[0])
        mask = torch.arange(memory.shape[1]) < lengths[:, None]
        return memory, mask, tuple(torch.cat([s[0], s[1]], dim=1)[None] for s in state)

    def decode(self, y: Tensor, memory: Tensor, mask: Tensor, state: Any) -> tuple[Tensor, Any]:
        s, state = self.decoder_recurrent(self.dropout(self.decoder_embedding(y)), state)
        scores = s @ self.attention(memory).transpose(1, 2)
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(dim=2)
        h = torch.tanh(self.combine(torch.cat([weights @ memory, s], dim=2)))
        return self.output(self.dropout(h)), state

    def forward(self, x: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        return self.decode(y, *self.encode(x, lengths))[0]
