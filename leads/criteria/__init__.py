"""What makes a lead: judging by the criteria, their rules and drafts, rounds of approval, the backtest on past leads."""

from leads.criteria.judging import (
    MOST_AT_ONCE,
    Answered,
    Judgement,
    NotJudged,
    answer,
    by_rule,
    compared,
    explained,
    judge,
    judge_known,
    judged_before,
    put_in_force,
    record,
    rejudge,
    was_judged,
)

__all__ = [
    "MOST_AT_ONCE",
    "Answered",
    "Judgement",
    "NotJudged",
    "answer",
    "by_rule",
    "compared",
    "explained",
    "judge",
    "judge_known",
    "judged_before",
    "put_in_force",
    "record",
    "rejudge",
    "was_judged",
]
