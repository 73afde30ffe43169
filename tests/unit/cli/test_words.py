from facematch.verdict import Decision
from facematch_cli.words import VERDICTS


def test_every_decision_has_a_word() -> None:
    assert set(Decision) <= VERDICTS.keys()
