"""Scores of files of answers: of one file, or of two compared. No model is needed."""

from typing import Any

from mrc.commands.results import results_folder, results_table, score_names
from mrc.config.evaluate import EvalConfig
from mrc.data.loading import load_questions
from mrc.errors import InputError
from mrc.files import write_json
from mrc.metrics.analysis import compare, details
from mrc.metrics.answers import count_missing, read_answers, strip_answer, strip_particle
from mrc.metrics.scoring import Gold
from mrc.runtime.tables import column_table

# In evaluate-v2.0.py, probabilities of no answer never exceed the default threshold.
NEVER_EXCEEDED = 1.0


def score_predictions(config: EvalConfig, path: str) -> dict[str, Any]:
    """Score the answers in a file, print a table, return the results."""
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    predictions = read_answers(path, str)
    missing = count_missing(path, predictions, examples)
    gold = Gold(examples, config.scorer or "auto")
    null_odds = _read_null_odds(config, predictions, gold)
    threshold = NEVER_EXCEEDED if config.null_threshold is None else config.null_threshold

    results = {"scorer": gold.name, "questions": len(examples)}
    if config.strip_answer:
        predictions = {i: strip_answer(text) for i, text in predictions.items()}
    scores = gold.score(predictions, null_odds, threshold)
    if config.strip_particles:
        results["with_particles"] = scores
        predictions = {i: strip_particle(text) for i, text in predictions.items()}
        scores = gold.score(predictions, null_odds, threshold)

    known = {example.id for example in examples}
    results["missing"] = missing
    results["foreign"] = sum(i not in known for i in predictions)
    # The details are about the answers that were scored.
    predictions = _with_no_answers(predictions, null_odds, threshold)
    results = {**scores, **results, **details(gold, predictions, examples)}
    if config.output_dir:
        folder = results_folder(config.output_dir, "", config.data)
        write_json(folder / "metrics.json", results, indent=2)
    print(results_table(results, score_names(scores), **_notes(results)))
    return results


def compare_predictions(config: EvalConfig, first: str, second: str) -> dict[str, Any]:
    """Test whether the second file of answers is better; print and return the results."""
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    answers = {path: read_answers(path, str) for path in (first, second)}
    for path, texts in answers.items():
        missing = count_missing(path, texts, examples)
        if missing:
            print(f"{path}: questions without a prediction: {missing}")
    result = compare(answers[first], answers[second], examples, config.scorer or "auto")
    print(f"A {first}\nB {second}\n{result['total']} questions, scorer {result['scorer']}\n")
    print(_comparison_table(result))
    print(f"\nexact by A alone {result['only_a_exact']}, by B alone {result['only_b_exact']}")
    if config.output_dir:
        folder = results_folder(config.output_dir, "", config.data)
        write_json(folder / "comparison.json", result, indent=2)
    return result


def _read_null_odds(
    config: EvalConfig, predictions: dict[str, str], gold: Gold
) -> dict[str, float] | None:
    """The file --na-probs, if there is one. Raises InputError if it lacks a question."""
    if not config.na_probs:
        return None
    null_odds = read_answers(config.na_probs, (int, float))
    lacking = [i for i in predictions if i in gold.answers and i not in null_odds]
    if lacking:
        raise InputError(
            f"{config.na_probs}: has no probability for question '{lacking[0]}', which "
            f"{config.predictions} answers."
        )
    return null_odds


def _with_no_answers(
    predictions: dict[str, str], null_odds: dict[str, float] | None, threshold: float
) -> dict[str, str]:
    """The predictions, with "" where the odds of no answer exceed the threshold."""
    if not null_odds:
        return predictions
    return {i: "" if null_odds.get(i, 0.0) > threshold else text for i, text in predictions.items()}


def _notes(results: dict[str, Any]) -> dict[str, str]:
    """Rows about ids that stand on one side only."""
    notes = {}
    if results["missing"]:
        notes["missing"] = f"questions without a prediction: {results['missing']}"
    if results["foreign"]:
        notes["foreign"] = f"predictions for ids that are not in the data: {results['foreign']}"
    return notes


def _comparison_table(result: dict[str, Any]) -> str:
    """A line for each score: both values, their difference, its interval and the p-value."""
    rows = []
    for name, row in result.items():
        if isinstance(row, dict):
            low, high = row["interval"]
            values = (f"{row['a']:.2f}", f"{row['b']:.2f}", f"{row['difference']:+.2f}")
            rows.append((name, *values, f"{low:+.2f} to {high:+.2f}", f"{row['p']:.4f}"))
    return column_table(("", "A", "B", "B - A", "95 % interval", "p"), rows)
