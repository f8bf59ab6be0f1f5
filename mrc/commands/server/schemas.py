"""What the HTTP API takes and returns; the page /docs is made of it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from mrc.wording import nearest

MAX_QUESTION_CHARS = 10_000
MAX_NAME_CHARS = 100

EXAMPLE_QUESTION = "When was the mill built?"
EXAMPLE_CONTEXT = "The old mill at Harrow Bend was built in 1784."


def _readable(text: str) -> str:
    """Refuse a text of white space alone, and halves of characters, which JSON can hold."""
    if not text.strip():
        raise PydanticCustomError("empty_field", "is empty")
    if _whole_characters(text) != text:
        raise PydanticCustomError("unpaired_surrogate", "holds an unpaired surrogate")
    return text


def _whole_characters(text: str) -> str:
    """A text with a question mark in the place of each half of a character."""
    return text.encode("utf-8", "replace").decode()


Text = Annotated[str, AfterValidator(_readable)]
QuestionText = Annotated[str, Field(max_length=MAX_QUESTION_CHARS), AfterValidator(_readable)]


class Request(BaseModel):
    """What a request may hold: nothing beside the fields that are described."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def only_known_fields(cls, fields: Any) -> Any:
        """Refuse a field that does not exist, and say which ones do."""
        names = list(cls.model_fields)
        given = fields if isinstance(fields, dict) else {}
        for name in given.keys() - set(names):
            # A name of any length may arrive; it goes back in short.
            short = _whole_characters(name[:MAX_NAME_CHARS])
            details = {"name": short, "nearest": nearest(short, names), "known": ", ".join(names)}
            raise PydanticCustomError("unknown_field", "is not known", details)
        return fields


class Pair(Request):
    """A question, and the text that it is asked of."""

    question: QuestionText = Field(description="the question", examples=[EXAMPLE_QUESTION])
    context: Text = Field(description="the text that holds the answer", examples=[EXAMPLE_CONTEXT])


class Settings(Request):
    """How to ask; what is left out is as the server was started."""

    top_k: int | None = Field(
        None, ge=1, le=50, description="the most answers to return; 1, and 5 for /read"
    )
    max_answer_len: int | None = Field(None, ge=1, le=200, description="longest answer in tokens")
    handle_impossible_answer: bool | None = Field(
        None, description="whether there may be no answer, which is then an empty one"
    )
    align_to_words: bool | None = Field(
        None, description="whether answers are extended to whole words"
    )
    max_seq_len: int | None = Field(
        None, ge=8, le=8192, description="longest window in tokens, up to what the model takes"
    )
    max_question_len: int | None = Field(
        None, ge=1, le=1024, description="where longer questions are cut, in tokens"
    )
    doc_stride: int | None = Field(
        None, ge=0, le=4096, description="tokens that consecutive windows share"
    )


class ScoredSettings(Settings):
    """Settings of a question on one text."""

    scoring: Literal["pipeline", "n_best"] | None = Field(
        None,
        description="pipeline: the probability of the answer's start times that of its end; "
        "n_best: the probabilities of mrc evaluate",
    )


class Question(ScoredSettings, Pair):
    """A question on a text."""

    explain: bool = Field(
        False,
        description="also return the context's tokens with their probabilities, and the score of "
        "no answer",
    )


class PassagesToRead(Request):
    """A question, and the texts that it is asked of."""

    question: QuestionText = Field(description="the question", examples=[EXAMPLE_QUESTION])
    contexts: list[Text] = Field(
        min_length=1,
        description="the texts to look in",
        examples=[["The new mill was built in 1921.", EXAMPLE_CONTEXT]],
    )


class Passages(Settings, PassagesToRead):
    """A question on several texts, of which the best answers are wanted."""


class Pairs(Request):
    """Questions, each with its text."""

    questions: list[Pair] = Field(
        min_length=1,
        description="the questions with their contexts",
        examples=[
            [
                {"question": EXAMPLE_QUESTION, "context": EXAMPLE_CONTEXT},
                {"question": "Where is the old mill?", "context": EXAMPLE_CONTEXT},
            ]
        ],
    )


class Batch(ScoredSettings, Pairs):
    """Several questions, each on a text of its own."""


class Answer(BaseModel):
    """A span of the context."""

    score: float = Field(description="0 to 1")
    start: int = Field(
        description="first character in the context, counted in Unicode code points from 0"
    )
    end: int = Field(description="the character after the last")
    answer: str = Field(description="the characters of the context; empty for no answer")


class Token(BaseModel):
    """A token of the context, with the probabilities that the answer starts and ends there."""

    start: int
    end: int
    start_probability: float
    end_probability: float


class Answers(BaseModel):
    """The answers to a question."""

    answers: list[Answer] = Field(description="best first")
    no_answer: float | None = Field(None, description="the score of no answer; only with explain")
    tokens: list[Token] | None = Field(None, description="the context's tokens; only with explain")


class PassageAnswer(Answer):
    """A span of one of the contexts."""

    passage: int | None = Field(
        description="which of the contexts, counted from 0; null for no answer in any of them"
    )


class PassageAnswers(BaseModel):
    """The answers found in several texts; their scores sum to at most 1."""

    answers: list[PassageAnswer] = Field(description="best first")


class BatchAnswers(BaseModel):
    """The answers to several questions."""

    results: list[Answers] = Field(description="one entry a question, in their order")


class DocumentText(BaseModel):
    """The text of a PDF file."""

    text: str = Field(description="its pages, with an empty line between two")
    pages: int = Field(description="how many pages it has")


class Health(BaseModel):
    """What the server is doing."""

    status: Literal["ok"]
    checkpoint: str = Field(description="the reader's name")
    device: str
    waiting: int = Field(description="questions that wait")
    answered: int = Field(description="questions answered so far")
    batches: int = Field(description="in how many batches")
    seconds: float = Field(description="since the server started")


class Sample(BaseModel):
    """A text to try, with questions."""

    language: str
    context: str
    questions: list[str]
    answers: list[str] = Field(description='the right answer to each question; "" for none')


class Error(BaseModel):
    """Why a request was not answered."""

    error: str = Field(description="one sentence for people")
    code: str = Field(description="the same for programs, such as context_too_long")
    parameters: dict[str, Any] = Field(description="what the sentence names, such as the limit")
