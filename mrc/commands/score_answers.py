"""Scores of answers that are there already: of one file, or of two compared."""

from typing import Any

from mrc.commands.answer_files import (
    GivenAnswers,
    find_answer_file,
    match_ids,
    read_answers,
    read_null_odds,
)
from mrc.commands.results import (
    report_unsupported,
    report_words,
    results_folder,
    results_table,
    score_names,
)
from mrc.config.evaluate import EvalConfig
from mrc.data.examples import ExampleList
from mrc.data.loading import load_questions, report_notes
from mrc.errors import InputError, in_short
from mrc.files import write_json
from mrc.metrics.analysis import details
from mrc.metrics.answers import strip_answer, strip_particle
from mrc.metrics.confidence import compare
from mrc.metrics.scoring import Gold
from mrc.runtime.tables import column_table
from mrc.wording import counted

# In evaluate-v2.0.py, probabilities of no answer never exceed the default threshold.
NEVER_EXCEEDED = 1.0


def score_predictions(config: EvalConfig, path: str) -> dict[str, Any]:
    """Score the answers in a file or a folder, print a table, return the results."""
    path = find_answer_file(path)
    examples, gold = _load_gold(config)
    given = read_answers(path)
    missing, foreign = match_ids(path, given.texts, examples)
    null_odds = _null_odds(config, path, given, gold)
    threshold = NEVER_EXCEEDED if config.null_threshold is None else config.null_threshold

    predictions = given.texts
    results = {"scorer": gold.name, "questions": len(examples)}
    if config.strip_answer:
        predictions = {i: strip_answer(text) for i, text in predictions.items()}
    scores = gold.score(predictions, null_odds, threshold)
    if config.strip_particles:
        results["with_particles"] = scores
        predictions = {i: strip_particle(text) for i, text in predictions.items()}
        scores = gold.score(predictions, null_odds, threshold)

    results["missing"] = len(missing)
    results["foreign"] = len(foreign)
    # The details are about the answers that were scored.
    predictions = _with_no_answers(predictions, null_odds, threshold)
    report_unsupported(gold)
    results = {**scores, **results, **details(gold, predictions, examples)}
    _write(config, "metrics.json", results)
    print(results_table(results, score_names(scores), **_notes(missing, foreign, gold)))
    return results


def compare_predictions(config: EvalConfig, first: str, second: str) -> dict[str, Any]:
    """Test whether the second set of answers is better; print and return the results."""
    paths = [find_answer_file(path) for path in (first, second)]
    examples, gold = _load_gold(config)
    texts = []
    for name, path in zip("AB", paths, strict=True):
        texts.append(read_answers(path).texts)
        print(f"{name} {path}")
        for note in _notes(*match_ids(path, texts[-1], examples), gold).values():
            print(f"  {note}")
    result = compare(texts[0], texts[1], examples, gold.name)
    questions = counted(result["total"], "question")
    print(f"{questions}, scorer {result['scorer']}\n")
    print(_comparison_table(result))
    print(f"\nexact by A alone {result['only_a_exact']}, by B alone {result['only_b_exact']}")
    _write(config, "comparison.json", result)
    return result


def _load_gold(config: EvalConfig) -> tuple[ExampleList, Gold]:
    """The questions of --data, and their right answers; prints what was odd about them."""
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    report_notes(examples)
    scorer = config.scorer or "auto"
    report_words(examples, scorer)
    return examples, Gold(examples, scorer)


def _write(config: EvalConfig, name: str, results: dict[str, Any]) -> None:
    """Write results to the folder that --output-dir names, if it names one."""
    if config.output_dir:
        folder = results_folder(config.output_dir, "", config.data)
        write_json(folder / name, results, indent=2)


def _null_odds(
    config: EvalConfig, path: str, given: GivenAnswers, gold: Gold
) -> dict[str, float] | None:
    """The probabilities of no answer, if there are any: those of --na-probs or of the answers.

    Raises:
        InputError: both have some, an answer has none, or there is a threshold for none.
    """
    if config.na_probs and given.null_odds:
        raise InputError(f"--na-probs {config.na_probs}: {path} has such probabilities itself.")
    source = config.na_probs or path
    null_odds = read_null_odds(config.na_probs) if config.na_probs else given.null_odds
    if not null_odds and config.null_threshold is not None:
        raise InputError(
            f"--null-threshold {config.null_threshold}: {path} says no probabilities of no answer; "
            "add --na-probs FILE."
        )
    if not null_odds:
        return None
    lacking = [i for i in given.texts if i in gold.answers and i not in null_odds]
    if lacking:
        raise InputError(
            f"{source}: has no probability for question '{in_short(lacking[0])}', which {path} "
            "answers."
        )
    # Questions without an answer have none either, and count with some scorers.
    return {**dict.fromkeys(gold.answers, 0.0), **null_odds}


def _with_no_answers(
    predictions: dict[str, str], null_odds: dict[str, float] | None, threshold: float
) -> dict[str, str]:
    """The predictions, with "" where the odds of no answer exceed the threshold."""
    if not null_odds:
        return predictions
    return {i: "" if null_odds.get(i, 0.0) > threshold else text for i, text in predictions.items()}


def _notes(missing: list[str], foreign: list[str], gold: Gold) -> dict[str, str]:
    """Rows about ids that stand on one side only."""
    notes = {}
    if missing:
        # As in the official scripts.
        treated = "left out" if gold.scorer.allows_no_answer else "scored as wrong"
        notes["missing"] = f"questions without a prediction: {_some(missing)}; {treated}"
    if foreign:
        notes["foreign"] = f"predictions for ids that are not in the data: {_some(foreign)}; unused"
    return notes


def _some(ids: list[str]) -> str:
    """How many ids there are, and the first of them."""
    example = f"'{in_short(ids[0])}'"
    return f"1, {example}" if len(ids) == 1 else f"{len(ids)}, such as {example}"


def _comparison_table(result: dict[str, Any]) -> str:
    """A line for each score: both values, their difference, its interval and the p-value."""
    rows = []
    for name, row in result.items():
        if isinstance(row, dict):
            low, high = row["interval"]
            values = (f"{row['a']:.2f}", f"{row['b']:.2f}", f"{row['difference']:+.2f}")
            rows.append((name, *values, f"{low:+.2f} to {high:+.2f}", f"{row['p']:.4f}"))
    return column_table(("", "A", "B", "B - A", "95 % interval", "p"), rows)
