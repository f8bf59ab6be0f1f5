"""What the HTTP API takes and returns; the page /docs is made of it."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Question(BaseModel):
    """A question on a context."""

    model_config = ConfigDict(extra="forbid")
    question: str = Field(
        max_length=10_000, description="the question", examples=["When was the mill built?"]
    )
    context: str = Field(
        description="the text that holds the answer",
        examples=["The old mill at Harrow Bend was built in 1784."],
    )
    top_k: int = Field(1, ge=1, le=50, description="the most answers to return")
    max_answer_len: int | None = Field(
        None,
        ge=1,
        le=200,
        description="longest answer in tokens; by default as the server was started",
    )
    handle_impossible_answer: bool | None = Field(
        None,
        description="whether there may be no answer, which is then an empty one; by default as "
        "the server was started",
    )
    explain: bool = Field(
        False,
        description="also return the context's tokens with their probabilities, and the score of "
        "no answer",
    )

    @field_validator("question", "context")
    @classmethod
    def not_blank(cls, text: str) -> str:
        """Refuse a text of white space alone."""
        if not text.strip():
            raise ValueError("is empty")
        return text


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


class Error(BaseModel):
    """What went wrong."""

    error: str = Field(description="one sentence")
