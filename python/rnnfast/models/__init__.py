"""Models by the conventions of scikit-learn: hyperparameters, `fit`, and files."""

import sys

from rnnfast._checks.calls import explain_packages
from rnnfast.models.base import Model
from rnnfast.models.classifier import SequenceClassifier
from rnnfast.models.ctc_decoder import CTCDecoder
from rnnfast.models.ctc_recognizer import CTCRecognizer
from rnnfast.models.forecaster import Forecaster
from rnnfast.models.language_model import LanguageModel
from rnnfast.models.multilabel_tagger import MultiLabelTagger
from rnnfast.models.regressor import SequenceRegressor
from rnnfast.models.seq2seq import Seq2Seq
from rnnfast.models.step_regressor import StepRegressor
from rnnfast.models.tagger import SequenceTagger

__all__ = [
    "CTCDecoder",
    "CTCRecognizer",
    "Forecaster",
    "LanguageModel",
    "Model",
    "MultiLabelTagger",
    "Seq2Seq",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "StepRegressor",
]

explain_packages((sys.modules[__name__],), methods_of=(Model,))
