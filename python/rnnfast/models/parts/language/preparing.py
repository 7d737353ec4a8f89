"""Corpora read for a training: where their ids stand meanwhile, and from when they are trusted."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np

from rnnfast.io.files import shown_path
from rnnfast.models.parts.language.corpus import CorpusReader, EncodedCorpus
from rnnfast.models.parts.language.encoded_text import EncodedText
from rnnfast.models.parts.language.spool import Spool, is_spool
from rnnfast.models.parts.language.text_source import TextSource, text_source
from rnnfast.training.progress import Reporter
from rnnfast.training.ranks import current_ranks
from rnnfast.training.reading import ReadingBar


class Preparing:
    """Reads the corpora of a training that may be stopped and resumed.

    Of a training with a checkpoint, ids that are too many for memory stand in files beside it. If
    they come from files of text, they stay there as long as the training has not ended: a
    resumption reads them in place of the text, if both are as they were.

    While entered, the corpora may be read; then files that are needed no more are removed.

    Parameters
    ----------
    reader : CorpusReader
        Reads.
    reporter : Reporter
        Shows.
    checkpoint : path-like, optional
        That of the training.
    resume : bool
        Whether it goes on.
    """

    def __init__(
        self,
        reader: CorpusReader,
        reporter: Reporter,
        checkpoint: str | os.PathLike[str] | None,
        resume: bool,
    ) -> None:
        self._reader, self._reporter, self._resume = reader, reporter, resume
        self._bar = ReadingBar(reporter)
        leads = checkpoint is not None and current_ranks().leads
        self._checkpoint = os.fsdecode(checkpoint) if checkpoint is not None and leads else None
        self._stack = ExitStack()
        self.ended = False

    def __enter__(self) -> Preparing:
        """Begin; ValueError if another file stands where ids may be written, and then removed."""
        for name in ("text", "valid"):
            target = self._target(name)
            if target is not None and os.path.lexists(target) and not _may_replace(target):
                raise ValueError(
                    "checkpoint: expected a path beside which ids of the corpus may stand, got one "
                    f"where {shown_path(target)} is another file"
                )
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        self._stack.close()
        if self._checkpoint is not None and (self.ended or not os.path.exists(self._checkpoint)):
            for name in ("text", "valid"):
                with suppress(OSError):
                    os.unlink(self._target(name) or "")

    def _target(self, name: str) -> str | None:
        """Return where ids are to stand."""
        if self._checkpoint is None:
            return None
        return f"{self._checkpoint}{'' if name == 'text' else f'.{name}'}.tokens"

    def read(self, name: str, corpus: Any) -> EncodedCorpus:
        """Read what an argument has, as `CorpusReader.read` does."""
        source = text_source(name, corpus, self._reader.lines)
        target = self._target(name)
        key = ""
        if target is not None and isinstance(source, TextSource) and source.files:
            key = self._key(source.files)
            found = self._kept(target, key) if self._resume else None
            if found is not None:
                self._reporter.log(f"{name}: ids of its tokens read from {target}")
                return self._reader.checked(name, found, to_learn=True)
        result = self._reader.read(
            name, source, self._stack, target=target, telling=self._bar.begin
        )
        self._bar.end(f"{result.num_tokens:,} tokens")
        if key:
            lengths = result.encoded.lengths
            facts = {
                "key": key,
                "tokens": self._reader.known,
                "counts": result.counts.tolist(),
                "lengths": None if lengths is None else lengths.dtype.str,
            }
            result.encoded.spool.keep(b"" if lengths is None else lengths.tobytes(), facts)
        return result

    def _key(self, files: Any) -> str:
        """Return what tells how files become ids from other ways, and the files from others."""
        facts = [files, self._reader.lines, self._reader.tokenizer.to_dict()]
        return hashlib.sha256(json.dumps(facts, default=repr).encode()).hexdigest()

    def _kept(self, target: str, key: str) -> EncodedText | None:
        """Return what a training before has left, if it is of the same corpus."""
        found = Spool.kept(target)
        if found is None:
            return None
        spool, tail, facts = found
        self._stack.callback(spool.close)
        numbering = self._reader.encoder.numbering
        if facts.get("key") != key or not numbering.extend(facts["tokens"]):
            return None
        encoded = EncodedText(spool)
        encoded.counts = np.array(facts["counts"], np.int64)
        if facts["lengths"] is not None:
            encoded.lengths = np.frombuffer(tail, np.dtype(facts["lengths"]))
        return encoded


def _may_replace(path: str) -> bool:
    """Return whether a path may be written anew and removed: of a training's ids, or nothing."""
    return os.path.isfile(path) and is_spool(path)
