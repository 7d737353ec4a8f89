import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnfast.text import CharTokenizer, WordTokenizer, split_lines, tokenizer_from_dict

ascii_text = st.text(st.characters(codec="ascii"), max_size=60)

# --- characters -------------------------------------------------------------------------------


@given(st.text())
def test_characters_round_trip(text):
    tokenizer = CharTokenizer()
    tokens = tokenizer.tokenize(text)
    assert all(len(token) == 1 for token in tokens)
    assert tokenizer.detokenize(tokens) == text


@given(st.text())
def test_characters_composed(text):
    tokenizer = CharTokenizer(nfc=True)
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == unicodedata.normalize("NFC", text)


def test_nfc_makes_one_token_of_an_accented_letter():
    assert CharTokenizer().tokenize("e\u0301") == ["e", "\u0301"]
    assert CharTokenizer(nfc=True).tokenize("e\u0301") == ["é"]


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Cats average 15 hours of sleep a day.", "Cats average 15 hours of sleep a day ."),
        ("don't o'clock O’Brien we'd've", "don't o'clock O’Brien we'd've"),
        ("the dogs' tails, 'tis", "the dogs ' tails , ' tis"),
        ("mother-in-law x86-64 3-5 snake_case", "mother-in-law x86-64 3-5 snake_case"),
        ("_so_ -so- 'so'", "_ so _ - so - ' so '"),
        ("-5 (-3.5) 1,000,000 10:30 2nd 5-", "-5 ( -3.5 ) 1,000,000 10:30 2nd 5 -"),
        ("$5.00, 50%; #1 a@b", "$ 5.00 , 50 % ; # 1 a @ b"),
        ("Well... no -- yes -", "Well ... no -- yes -"),
        ("the U.S. (e.g. J.R.R. Tolkien). I.", "the U.S. ( e.g. J.R.R. Tolkien ) . I ."),
        ('He said: "Why?!"', 'He said : " Why ? ! "'),
        ("and/or\ttwo\nlines\r\n", "and / or two lines"),
        ("«Noël» e\u0301te\u0301 Straße", "« Noël » e\u0301te\u0301 Straße"),
        ("हिन्दी में می\u200cخواهم", "हिन्दी में می\u200cخواهم"),
        ("a🙂b 😀", "a 🙂 b 😀"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_words(text, tokens):
    assert WordTokenizer().tokenize(text) == tokens.split()


def test_lower():
    assert WordTokenizer(lower=True).tokenize("The END. ÉTÉ") == ["the", "end", ".", "été"]
    assert WordTokenizer(mode="whitespace", lower=True).tokenize("The <UNK>") == ["the", "<unk>"]


@pytest.mark.parametrize(
    "text",
    [
        "Cats don't average 15.5 hours (of sleep), do they?",
        'He said: "it\'s -5 degrees" in the U.S. today...',
        "“Well,” she said -- ‘no’ [and/or {yes}]; $5.00 is 50%!",
        "«Bien», ¿no? ¡Sí!",
        "First 'one', then \"another 'inside' it\".",
    ],
)
def test_text_reads_as_it_was(text):
    tokenizer = WordTokenizer()
    assert tokenizer.detokenize(tokenizer.tokenize(text)) == text


def test_special_tokens_stand_apart():
    assert WordTokenizer().detokenize(["the", "<UNK>", "sat", ".", "The"]) == "the <UNK> sat. The"
    assert WordTokenizer().detokenize([]) == ""
    assert WordTokenizer().detokenize([".", "."]) == ". ."


@given(ascii_text)
def test_nothing_but_space_is_lost(text):
    assert "".join(WordTokenizer().tokenize(text)) == "".join(text.split())


@given(st.text(max_size=60))
def test_nothing_but_space_is_lost_of_any_script(text):
    assert "".join(WordTokenizer().tokenize(text)) == "".join(text.split())


@given(ascii_text)
def test_joined_text_splits_into_the_same_tokens(text):
    tokenizer = WordTokenizer()
    tokens = tokenizer.tokenize(text)
    assert tokenizer.tokenize(tokenizer.detokenize(tokens)) == tokens


@given(st.text())
def test_whitespace_mode_round_trip(text):
    tokenizer = WordTokenizer(mode="whitespace")
    tokens = tokenizer.tokenize(text)
    assert tokens == text.split()
    assert tokenizer.detokenize(tokens) == " ".join(tokens)
    assert tokenizer.tokenize(tokenizer.detokenize(tokens)) == tokens


# --- settings ---------------------------------------------------------------------------------

TOKENIZERS = [
    CharTokenizer(),
    CharTokenizer(nfc=True),
    WordTokenizer(),
    WordTokenizer(lower=True),
    WordTokenizer(mode="whitespace"),
    WordTokenizer(mode="whitespace", newline="<eos>"),
]


@pytest.mark.parametrize("mode", ["words", "whitespace"])
def test_newlines_as_tokens(mode):
    tokenizer = WordTokenizer(mode=mode, newline="<eos>")
    text = " no it was\nblack monday\r\n\rbut\n"
    tokens = tokenizer.tokenize(text)
    lines = [["no", "it", "was"], ["black", "monday"], [], ["but"]]
    assert tokens == [token for line in lines for token in [*line, "<eos>"]]
    assert tokenizer.detokenize(tokens) == "no it was\nblack monday\n\nbut\n"
    assert tokenizer.tokenize("no end") == ["no", "end"]
    assert tokenizer.tokenize("") == [] and tokenizer.tokenize("\n") == ["<eos>"]


@pytest.mark.parametrize("newline", ["", " ", "a b", "\n", "<UNK>", 3, True])
def test_what_is_no_token_for_newlines(newline):
    with pytest.raises((ValueError, TypeError), match=r"^newline: expected a (token|str)"):
        WordTokenizer(newline=newline)


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=repr)
def test_settings_round_trip(tokenizer):
    settings = tokenizer.to_dict()
    for read in (tokenizer_from_dict(settings), type(tokenizer).from_dict(settings)):
        assert type(read) is type(tokenizer)
        assert read == tokenizer
        assert hash(read) == hash(tokenizer)
    assert [read == other for other in TOKENIZERS].count(True) == 1
    assert eval(repr(tokenizer)) == tokenizer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "tokenizer: expected the type 'char', .*'word', .*, got None"),
        ({"type": "bpe"}, r"tokenizer: expected the type 'char', .*'word', .*, got 'bpe'"),
        ({"type": ["char"]}, r"tokenizer: expected the type 'char', .*'word', .*, got \['char'\]"),
        (["char"], "tokenizer: expected the type 'char', .*'word', .*, got None"),
        ({"type": "char"}, "tokenizer: expected the settings type, nfc, got {'type': 'char'}"),
        (
            {"type": "word", "mode": "words", "lower": True, "x": 1},
            "tokenizer: expected the settings type, mode, lower, got .*'x': 1",
        ),
        ({"type": "char", "nfc": 1}, "tokenizer: nfc: expected a bool, got int"),
        (
            {"type": "word", "mode": "bytes", "lower": True},
            "mode: expected 'words' or 'whitespace', got 'bytes'",
        ),
    ],
)
def test_settings_of_something_else(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        tokenizer_from_dict(settings)


def test_settings_of_the_other_tokenizer():
    with pytest.raises(ValueError, match=r"^tokenizer: expected the type 'char', got 'word'"):
        CharTokenizer.from_dict({"type": "word", "nfc": True})


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=repr)
def test_other_types(tokenizer):
    with pytest.raises(TypeError, match=r"^text: expected a str, got bytes$"):
        tokenizer.tokenize(b"text")
    with pytest.raises(TypeError, match=r"^tokens: expected every token to be a str, got 1$"):
        tokenizer.detokenize(["a", 1])


# --- lines ------------------------------------------------------------------------------------


def test_split_lines():
    text = "one \n\n two\r\nthree\rfour\u2028still four\n \t\n"
    assert split_lines(text) == ["one ", " two", "three", "four\u2028still four"]
    assert split_lines("") == []
    with pytest.raises(TypeError, match=r"^text: expected a str, got list$"):
        split_lines(["a"])
