"""Findings: what was odd about a data set when it was read, counted, and said in a few lines."""

from dataclasses import dataclass, field

from mrc.data.fields import shorten
from mrc.data.keys import UnusedKeys
from mrc.wording import counted

# The start of an answer that does not stand in its context.
NOT_FOUND = -1


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """An answer that is not at its answer_start, or has none and is nowhere in its context.

    Attributes:
        where: its place in the data.
        id: the id of its question.
        text: its text.
        answer_start: the start that the data gives, or None.
        moved_to: the start that it was given instead, or NOT_FOUND.
    """

    where: str
    id: str
    text: str
    answer_start: int | None
    moved_to: int

    @property
    def given_place(self) -> str:
        """Where the data says that it stands, in words."""
        return "without answer_start" if self.answer_start is None else f"at {self.answer_start}"


@dataclass
class Findings:
    """What a user should know of a data set.

    Attributes:
        bad_answers: the answers that are not where the data says.
        unused: the keys that nothing reads.
        located: how many answers had no answer_start and were found in their contexts.
        ambiguous: how many of these occur several times.
        empty: how many answers are an empty text.
        on_impossible: how many questions are marked as having no answer and have one.
        keys_without_answer: the keys of the first question that has no field for answers.
        made_ids: how many questions had no id.
        repeated: how many records were further ones of a question.
        split: how it was divided in two, if not by whole articles.
    """

    bad_answers: list[BadAnswer] = field(default_factory=list)
    unused: UnusedKeys = field(default_factory=UnusedKeys)
    located: int = 0
    ambiguous: int = 0
    empty: int = 0
    on_impossible: int = 0
    keys_without_answer: tuple[str, ...] = ()
    made_ids: int = 0
    repeated: int = 0
    split: str = ""

    def sentences(self, source: str) -> list[str]:
        """One sentence on each kind of finding that there is, but for the bad answers."""
        sentences = self.unused.sentences(source)
        if self.made_ids:
            made = counted(self.made_ids, "id")
            sentences.append(f"{source}: no id: {made} made from the content.")
        if self.repeated:
            sentences.append(
                f"{source}: {counted(self.repeated, 'record')} repeated the id, question and "
                "context of another; its answers were added there."
            )
        if self.located:
            sentences.append(f"{source}: {self._about_located()}")
        if self.empty:
            sentences.append(
                f"{source}: {counted(self.empty, 'answer')} without text passed over; a question "
                "without an answer is marked by is_impossible: true, or by an empty list."
            )
        if self.on_impossible:
            questions = counted(self.on_impossible, "question is", "questions are")
            sentences.append(
                f"{source}: {questions} marked is_impossible: true beside an answer, which is "
                "passed over."
            )
        if self.split:
            sentences.append(self.split)
        return sentences

    def about_bad_answers(self, source: str) -> str:
        """A sentence on the answers that are not where the data says, or "" if all are."""
        if not self.bad_answers:
            return ""
        lost = sum(bad.moved_to == NOT_FOUND for bad in self.bad_answers)
        moved = len(self.bad_answers) - lost
        counts = []
        if moved:
            counts.append(f"{moved} moved to their nearest occurrence")
        if lost:
            counts.append(f"{lost} found nowhere")
        first = self.bad_answers[0]
        has_starts = any(bad.answer_start is not None for bad in self.bad_answers)
        fault = "not at their answer_start" if has_starts else "not in their context"
        return (
            f"{source}: answers {fault}: {', '.join(counts)}; "
            f"first {first.where} ({shorten(first.text)} {first.given_place})."
        )

    def _about_located(self) -> str:
        were_found = (
            "was found in its context" if self.located == 1 else "were found in their contexts"
        )
        sentence = f"{counted(self.located, 'answer')} had no answer_start and {were_found}"
        if self.ambiguous:
            occur = "occurs" if self.ambiguous == 1 else "occur"
            sentence += f"; {self.ambiguous} {occur} several times, the first place is taken"
        return f"{sentence}."
