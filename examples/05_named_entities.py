"""
Names in sentences
==================

Which words are names, and of what: a person, a place, a firm? Many to many of equal lengths. The
same word may be either, told by what stands before it or only by what follows; and most names of a
new text have never been seen.

In the guide: :doc:`/guide/tagging`, :doc:`/guide/bidirectional`.
"""

# %%
# Sentences
# ---------
# They are made here, from frames with gaps. Names are made of syllables; a name of one list may be
# that of a person as well as of a place, as Washington is. The labels are in the BIO scheme: B
# begins an entity, I goes on with it, O is none.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf

FRAMES = (
    "PER said that LOC was cold .",
    "PER lives in LOC .",
    "PER is a teacher from LOC .",
    "LOC is a city in the north .",
    "LOC lies on the river , said PER .",
    "ORG opens an office in LOC .",
    "ORG said that PER left .",
    "the children of PER went to LOC with PER .",
    "yesterday PER sold the house to ORG .",
    "the rain in LOC stopped , and PER smiled .",
    "last year ORG lost money .",
    "nobody in LOC works for ORG .",
)
# Here only the spelling tells.
NEUTRAL = (
    "everybody talks about {} .",
    "I have never seen {} .",
    "{} again !",
    "no more {} today .",
)
TITLES = ("Mr", "Mrs", "Dr")
FIRST = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ida", "John")
SYLLABLES = (
    "al",
    "ber",
    "cor",
    "den",
    "el",
    "fan",
    "gor",
    "hal",
    "lin",
    "mar",
    "nor",
    "ros",
    "ten",
)
PLACE_ENDS, PERSON_ENDS = ("ton", "ville", "burg"), ("son", "man", "sen")
FIRMS = ("Bank", "Motors", "Group")


def make_names(count, rng):
    """Return invented names: some that are places, some that are persons, some that may be both."""
    stems = ["".join(rng.choice(SYLLABLES, size=2)).capitalize() for _ in range(3 * count)]
    places = [stem + str(rng.choice(PLACE_ENDS)) for stem in stems[:count]]
    persons = [stem + str(rng.choice(PERSON_ENDS)) for stem in stems[count : 2 * count]]
    return {"LOC": places, "PER": persons, "both": stems[2 * count :]}


def entity(kind, names, rng):
    """Return the words of an entity."""
    if kind == "ORG":
        return [str(rng.choice(names["PER"])), str(rng.choice(FIRMS))]
    word = str(rng.choice(names[kind] + names["both"]))
    if kind == "PER" and rng.random() < 0.5:
        return [str(rng.choice(FIRST if rng.random() < 0.6 else TITLES)), word]
    return [word]


def make_sentences(count, names, rng):
    """Return sentences as lists of words, and their labels."""
    X, y = [], []
    for _ in range(count):
        words, labels = [], []
        frame, sure = str(rng.choice(FRAMES)), False
        if rng.random() < 0.25:
            frame, sure = str(rng.choice(NEUTRAL)).format(rng.choice(["PER", "LOC"])), True
        for part in frame.split():
            if part in ("PER", "LOC", "ORG"):
                found = [str(rng.choice(names[part]))] if sure else entity(part, names, rng)
                words += found
                labels += [f"B-{part}"] + [f"I-{part}"] * (len(found) - 1)
            else:
                words.append(part)
                labels.append("O")
        X.append(words)
        y.append(labels)
    return X, y


rng = np.random.default_rng(0)
old_names, new_names = make_names(40, rng), make_names(40, rng)
X, y = make_sentences(600, old_names, rng)
tests = {
    "known names": make_sentences(300, old_names, rng),
    "new names": make_sentences(300, new_names, rng),
}
for words, labels in list(zip(X, y, strict=True))[:3]:
    print(" ".join(words))
    print(" ".join(labels))

# %%
# Four networks
# -------------
# One that reads forward only; one that reads both ways; one that scores labels as a sequence on top
# (a conditional random field, which never lets I-LOC follow B-PER); and one that also reads the
# letters of each word, so that a new one is told by its spelling. ``word_dropout`` hides words at
# random in training: that is how a network learns what to do about one it does not know.
options = {
    "forward": {"bidirectional": False},
    "both ways": {},
    "both, CRF": {"crf": True},
    "both, CRF, letters": {"crf": True, "char_encoder": True},
}
scores = {}
for name, choice in options.items():
    tagger = rf.SequenceTagger(
        scheme="bio",
        hidden_size=32,
        embedding_size=32,
        word_dropout=0.1,
        learning_rate=0.01,
        epochs=12,
        seed=1,
        verbose=0,
        **choice,
    )
    tagger.fit(X, y)
    scores[name] = {part: tagger.score(*data) for part, data in tests.items()}
    print(f"{name:20}", "  ".join(f"{part} F1 {f1:.1%}" for part, f1 in scores[name].items()))

figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
for place, part in enumerate(tests):
    values = [100 * score[part] for score in scores.values()]
    bars = axes.barh(np.arange(len(scores)) + 0.2 - 0.4 * place, values, 0.38, label=part)
    axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
axes.set_yticks(range(len(scores)), list(scores))
axes.set(xlabel="F1 of entities, in percent", xlim=(0, 119))
axes.invert_yaxis()
axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)

# %%
# An entity counts only if both its borders and its kind are right. Reading forward only, a name at
# the beginning of a sentence is a guess: what follows tells. The last network on one new name that
# may be either:
name, place = new_names["both"][1], new_names["LOC"][0]
for text in (
    f"{name} is a teacher from {place} .",
    f"{name} is a city in the north .",
    f"nobody in {name} works for {name} Motors .",
):
    words = text.split()
    (labels,) = tagger.predict([words])
    marked = [f"{word}/{label}" for word, label in zip(words, labels, strict=True)]
    print(" ".join(marked).replace("/O", ""))
