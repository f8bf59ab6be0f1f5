"""Whole runs of the two scripts: their files, their last lines, and the input they refuse."""

import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from conftest import DATA, real_data
from test_custom_architecture import GUESTS
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PreTrainedModel

from mrc.commands import evaluate, train
from mrc.data.loading import load_examples
from mrc.data.squad import write_squad
from mrc.errors import command_line
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.baseline import BaselineModel
from mrc.training.trainer import Trainer

ROOT = Path(__file__).parents[1]


def run(script, *argv, cwd):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        [sys.executable, ROOT / script, *map(str, argv)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def fails(main, capsys, *argv):
    """Run a script's main as its command line would; return its one line on standard error."""
    with pytest.raises(SystemExit) as raised, command_line("script"):
        main([str(a) for a in argv])
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.startswith("script: error: ")
    assert error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_squad(
        load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json"),
        folder / "all.json",
    )
    return folder / "all.json"


@pytest.fixture(scope="module")
def trained(data, encoder_folder, tmp_path_factory):
    """A run on the user's own files with the user's own encoder, long enough to learn them."""
    cwd = tmp_path_factory.mktemp("run")
    flags = {
        "model": encoder_folder,
        "train-file": data,
        "validation-file": data,
        "max-length": 128,
        "stride": 32,
        "epochs": 60,
        "batch-size": 4,
        "learning-rate": 3e-3,
        "dropout": 0,
        "log-every": 10,
    }
    done = run(
        "train.py",
        *(part for name, value in flags.items() for part in ("--" + name, value)),
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return cwd, done.stdout


def test_a_run_ends_with_a_table_and_the_next_command(trained, encoder_folder):
    cwd, output = trained
    name = f"checkpoints/{encoder_folder.name}-all"
    tail = output[output.index("\nEM ") :]
    metrics = json.loads((cwd / name / "metrics.json").read_text())
    assert (
        f"EM           {metrics['exact_match']:.2f}\nF1           {metrics['f1']:.2f}\n"
        f"eval loss    {metrics['eval_loss']:.3f}\nquestions    10\n" in tail
    )
    assert metrics["f1"] >= metrics["exact_match"] >= 80
    assert f"checkpoint   {name}/best" in tail
    assert tail.endswith(f"\nNext: python evaluate.py --checkpoint {name}\n")
    assert "\r" not in output
    assert "new head" in output
    # The checkpoint before the last is one epoch older.
    steps = metrics["steps"] - metrics["steps"] // metrics["epochs"]
    assert sorted(p.name for p in (cwd / name).iterdir()) == [
        ".lock",
        "best",
        "config.json",
        "last",
        "log.jsonl",
        "metrics.json",
        f"step-{steps}",
    ]
    assert json.loads((cwd / name / "config.json").read_text())["max_length"] == 128


def test_the_next_command_gives_the_same_scores(trained):
    cwd, output = trained
    command = output.splitlines()[-1].removeprefix("Next: python ").split()
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stderr
    folder = cwd / command[-1]
    results = folder / "best-on-all"
    mine = json.loads((results / "metrics.json").read_text())
    theirs = json.loads((folder / "metrics.json").read_text())
    assert {k: mine[k] for k in ("exact_match", "f1", "total")} == {
        k: theirs[k] for k in ("exact_match", "f1", "total")
    }
    assert f"EM           {theirs['exact_match']:.2f}  (95 % interval " in done.stdout
    assert str(results.relative_to(cwd)) in done.stdout
    predictions = json.loads((results / "predictions.json").read_text())
    right = {
        e.id: {a.text for a in e.answers}
        for e in load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json")
    }
    # The predictions are texts as they stand in the context: most equal an answer unnormalized.
    assert 10 * sum(predictions[i] in right[i] for i in right) >= mine["exact_match"] - 10
    n_best = json.loads((results / "nbest_predictions.json").read_text())
    assert all(n_best[i][0]["text"] == predictions[i] for i in right)
    assert set(n_best["ru-2"][0]) == {
        "text",
        "probability",
        "start_logit",
        "end_logit",
        "start",
        "end",
    }


def test_a_file_without_answers_gets_predictions(trained, tmp_path):
    cwd, output = trained
    checkpoint = output.splitlines()[-1].split()[-1]
    done = run(
        "evaluate.py",
        "--checkpoint",
        cwd / checkpoint,
        "--data",
        DATA / "news_test.json",
        "--output-dir",
        tmp_path / "out",
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    assert "the data has no answers" in done.stdout
    assert set(json.loads((tmp_path / "out" / "predictions.json").read_text())) == {
        "news-0001",
        "news-0002",
    }
    assert "exact_match" not in json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_hugging_face_loads_the_checkpoint_with_our_logits(trained, data):
    cwd, output = trained
    folder = cwd / output.splitlines()[-1].split()[-1] / "best"
    theirs = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = BaselineModel.from_pretrained(folder).eval()
    for example in load_examples(data):
        encoded = tokenizer(
            example.question, example.context, return_tensors="pt", truncation=True, max_length=128
        )
        out = theirs(**encoded)
        start, end = ours(**encoded)
        torch.testing.assert_close(out.start_logits, start, atol=1e-5, rtol=0)
        torch.testing.assert_close(out.end_logits, end, atol=1e-5, rtol=0)


def test_a_hugging_face_checkpoint_is_scored_as_it_is(trained, tmp_path, data, capsys):
    cwd, output = trained
    folder = cwd / output.splitlines()[-1].split()[-1] / "best"
    theirs = AutoModelForQuestionAnswering.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs.save_pretrained(tmp_path / "hf")
    tokenizer.save_pretrained(tmp_path / "hf")
    capsys.readouterr()
    assert "--data is needed" in fails(evaluate.main, capsys, "--checkpoint", tmp_path / "hf")
    evaluate.main(
        [
            "--checkpoint",
            str(tmp_path / "hf"),
            "--data",
            str(data),
            "--max-length",
            "128",
            "--stride",
            "32",
        ]
    )
    metrics = json.loads((folder.parent / "metrics.json").read_text())
    assert f"EM           {metrics['exact_match']:.2f}  " in capsys.readouterr().out


def test_unanswerable_questions_are_trained_on_and_scored(tmp_path, encoder_folder, capsys):
    file = DATA / "squad_v2.json"
    argv = f"""
        --model {encoder_folder} --train-file {file} --validation-file {file}
        --max-length 96 --stride 32 --epochs 40 --batch-size 2 --learning-rate 3e-3
        --dropout 0 --output-dir {tmp_path / "run"}
    """
    train.main(argv.split())
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["scorer"] == "squad_v2"
    assert metrics["exact"] == 100
    assert metrics["NoAns_exact"] == 100
    assert metrics["HasAns_f1"] == 100
    assert "EM           100.00" in capsys.readouterr().out

    evaluate.main(["--checkpoint", str(tmp_path / "run")])
    scored = json.loads((tmp_path / "run" / "best-on-squad_v2" / "metrics.json").read_text())
    for name, value in metrics.items():
        if name.endswith(("exact", "f1", "thresh")):
            assert scored[name] == value, name
    odds = json.loads((tmp_path / "run" / "best-on-squad_v2" / "null_odds.json").read_text())
    assert set(odds) == {"v2-1", "v2-2"}

    # Without labels it still gives no answer where it has learned to.
    bare = json.loads(file.read_text("utf-8"))
    for qa in bare["data"][0]["paragraphs"][0]["qas"]:
        del qa["answers"], qa["is_impossible"]
    (tmp_path / "bare.json").write_text(json.dumps(bare))
    evaluate.main(
        [
            "--checkpoint",
            str(tmp_path / "run"),
            "--data",
            str(tmp_path / "bare.json"),
            "--output-dir",
            str(tmp_path / "out"),
        ]
    )
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == {
        "v2-1": "1784",
        "v2-2": "",
    }


def test_predictions_are_scored_without_a_model(tmp_path, capsys):
    right = {e.id: e.answers[0].text for e in load_examples(DATA / "squad.json")}
    (tmp_path / "right.json").write_text(json.dumps(right))
    (tmp_path / "half.json").write_text(
        json.dumps({i: text for i, text in right.items() if i < "ru"} | {"vi-1": "x"})
    )
    evaluate.main(
        [
            "--predictions",
            str(tmp_path / "right.json"),
            "--data",
            str(DATA / "squad.json"),
            "--output-dir",
            str(tmp_path / "out"),
        ]
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["exact_match"] == 100
    assert metrics["f1"] == 100
    low, high = metrics["exact_match_interval"]
    assert low < 90
    assert high == 100
    assert metrics["breakdown"]["title"]["Маяк"]["total"] == 2
    evaluate.main(
        [
            "--predictions",
            str(tmp_path / "half.json"),
            "--data",
            str(DATA / "squad.json"),
            "--scorer",
            "mlqa-vi",
        ]
    )
    shown = capsys.readouterr().out
    assert "questions without a prediction: 3, such as 'vi-2'; scored as wrong" in shown
    evaluate.main(
        [
            "--compare",
            str(tmp_path / "half.json"),
            str(tmp_path / "right.json"),
            "--data",
            str(DATA / "squad.json"),
        ]
    )
    table = capsys.readouterr().out
    assert "exact by A alone 0, by B alone 4" in table
    assert "exact_match" in table


def test_probabilities_of_no_answer(tmp_path, capsys):
    (tmp_path / "p.json").write_text('{"v2-1": "1784", "v2-2": "Eli Crane"}')
    (tmp_path / "na.json").write_text('{"v2-1": 0.2, "v2-2": 0.9}')
    base = [
        "--predictions",
        str(tmp_path / "p.json"),
        "--data",
        str(DATA / "squad_v2.json"),
        "--output-dir",
        str(tmp_path / "out"),
    ]
    evaluate.main([*base, "--na-probs", str(tmp_path / "na.json")])
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["exact"], metrics["best_exact"], metrics["best_exact_thresh"]) == (50, 100, 0.2)
    evaluate.main([*base, "--na-probs", str(tmp_path / "na.json"), "--null-threshold", "0.5"])
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["exact"] == 100
    assert metrics["breakdown"]["answerable"]["no"]["exact"] == 100
    (tmp_path / "na.json").write_text('{"v2-1": 0.2}')
    assert "na.json: has no probability for question 'v2-2'" in fails(
        evaluate.main, capsys, *base, "--na-probs", tmp_path / "na.json"
    )
    (tmp_path / "p.json").write_text('{"v2-1": 1784}')
    assert "p.json: the value of 'v2-1' must be a string" in fails(evaluate.main, capsys, *base)
    (tmp_path / "p.json").write_text('{"other": "1784"}')
    assert "answers none of the questions" in fails(evaluate.main, capsys, *base)
    (tmp_path / "q.json").write_text('{"v2-1": "1784"}')
    compared = [
        "--compare",
        tmp_path / "q.json",
        tmp_path / "p.json",
        "--data",
        DATA / "squad_v2.json",
    ]
    assert "p.json: answers none of the questions" in fails(evaluate.main, capsys, *compared)
    assert "--na-probs needs --predictions" in fails(
        evaluate.main, capsys, *compared, "--na-probs", "x"
    )
    assert "--stride needs --checkpoint" in fails(evaluate.main, capsys, *compared, "--stride", "3")


def test_predictions_can_be_stripped(tmp_path, capsys):
    with_particles = {
        e.id: e.answers[0].text + "에서" for e in load_examples(DATA / "korquad.json")
    }
    (tmp_path / "p.json").write_text(json.dumps(with_particles))
    evaluate.main(
        [
            "--predictions",
            str(tmp_path / "p.json"),
            "--data",
            str(DATA / "korquad.json"),
            "--strip-particles",
        ]
    )
    # The third answer ends in a quotation mark, so its particle stays.
    assert "EM           66.67  (with particles 0.00)" in capsys.readouterr().out


def test_options_of_answers_and_search(trained, tmp_path, capsys):
    cwd, output = trained
    checkpoint = cwd / output.splitlines()[-1].split()[-1]
    evaluate.main(
        [
            "--checkpoint",
            str(checkpoint),
            "--data",
            str(DATA / "korquad.json"),
            "--search",
            "exact",
            "--strip-answer",
            "--strip-particles",
            "--output-dir",
            str(tmp_path / "out"),
        ]
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["answers_changed_by_exact_search"] == 0
    assert set(metrics["with_particles"]) == {"exact_match", "f1", "total"}
    assert metrics["scorer"] == "korquad"
    assert metrics["f1"] <= 100
    assert "(with particles " in capsys.readouterr().out


TWO_STEPS = ["--max-steps", "2", "--batch-size", "2", "--stride", "16"]


def quick(*argv):
    """Train for two steps in this process."""
    train.main([*map(str, argv), *TWO_STEPS, "--max-length", "96"])


@pytest.fixture
def settings_of_torch():
    """Restore PyTorch's own settings after the test."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
    )
    yield
    torch.use_deterministic_algorithms(before[0])
    torch.set_float32_matmul_precision(before[1])
    torch.backends.cudnn.benchmark = before[2]


@pytest.mark.parametrize(
    ("flags", "deterministic", "products"),
    [([], False, "highest"), (["--deterministic"], True, "highest"), (["--tf32"], False, "high")],
)
def test_how_the_device_computes(
    tmp_path, encoder_folder, data, monkeypatch, settings_of_torch, flags, deterministic, products
):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    quick("--model", encoder_folder, "--train-file", data, "--output-dir", tmp_path / "run", *flags)
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    # Without a workspace of fixed size, cuBLAS refuses to be deterministic.
    workspace = ":4096:8" if deterministic else None
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == workspace
    assert torch.get_float32_matmul_precision() == products


KINDS = {
    "tiny": [],
    "pretrained": ["--model", "ENCODER"],
    "other head": ["--model", "ENCODER", "--head", "mlp"],
    "own class": ["--model", "ENCODER", "--model-class", "my_guests:OnEncoder"],
}


@pytest.fixture(params=KINDS)
def kind(request, encoder_folder, data, tmp_path, monkeypatch):
    """The flags of a two-step run with a model of one kind; the working directory has its files."""
    (tmp_path / "my_guests.py").write_text(GUESTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_guests", None)
    model = [str(encoder_folder) if part == "ENCODER" else part for part in KINDS[request.param]]
    saved = ["--max-length", "64", "--save-every", "1"]
    return [*model, "--train-file", str(data), *TWO_STEPS, *saved]


def own_class(kind):
    """The flags that must be repeated to resume, because they run code."""
    return [
        part
        for flag, value in itertools.pairwise(kind)
        if flag == "--model-class"
        for part in (flag, value)
    ]


def test_attention_computed_in_two_ways_is_the_same(kind, monkeypatch):
    used = []
    fit = Trainer.fit

    def fit_and_note(trainer):
        used.append(attention_of(trainer.model))
        return fit(trainer)

    monkeypatch.setattr(Trainer, "fit", fit_and_note)
    lines = []
    for attention in ("eager", "sdpa"):
        train.main(
            [
                *kind,
                "--dropout",
                "0",
                "--log-every",
                "1",
                "--attn-implementation",
                attention,
                "--output-dir",
                attention,
            ]
        )
        # A resumed run keeps the setting.
        train.main(["--resume", f"{attention}/step-1", *own_class(kind)])
        log = [json.loads(line) for line in Path(attention, "log.jsonl").read_text().splitlines()]
        lines.append([line["loss"] for line in log if "loss" in line])
    assert used == [{"eager"}, {"eager"}, {"sdpa"}, {"sdpa"}]
    assert len(lines[0]) == 2
    assert lines[0] == pytest.approx(lines[1], abs=1e-5)


def attention_of(model):
    """The attention implementations of the Hugging Face models within a model."""
    return {
        module.config._attn_implementation
        for module in model.modules()
        if isinstance(module, PreTrainedModel)
    }


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="flash_attn is installed")
def test_attention_whose_package_is_missing(kind, capsys):
    flash = ("--attn-implementation", "flash_attention_2")
    expected = (
        "script: error: --attn-implementation flash_attention_2: "
        "FlashAttention2 has been toggled on, but it cannot be used"
    )
    assert fails(train.main, capsys, *kind, "--output-dir", "run", *flash).startswith(expected)
    assert not Path("run").exists()
    train.main([*kind, "--output-dir", "run"])
    capsys.readouterr()
    assert fails(train.main, capsys, "--resume", "run/step-1", *own_class(kind), *flash).startswith(
        expected
    )


def test_a_part_of_the_data_is_set_aside_and_found_again(tmp_path, encoder_folder, data, capsys):
    quick(
        "--model",
        encoder_folder,
        "--train-file",
        data,
        "--validation-fraction",
        0.3,
        "--seed",
        3,
        "--output-dir",
        tmp_path / "run",
        "--feature-cache",
        tmp_path / "cache",
    )
    assert "warning" not in capsys.readouterr().out
    assert len(list((tmp_path / "cache").iterdir())) == 4
    evaluate.main(
        ["--checkpoint", str(tmp_path / "run"), "--feature-cache", str(tmp_path / "cache")]
    )
    trained, evaluated = (
        json.loads((tmp_path / "run" / name).read_text())
        for name in ("metrics.json", "best-on-all/metrics.json")
    )
    assert 0 < trained["total"] < 10
    assert trained["total"] == evaluated["total"]
    assert trained["exact_match"] == evaluated["exact_match"]
    assert trained["f1"] == evaluated["f1"]
    # Scoring found its features in the cache.
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_bad_answers_and_leaks_are_said_once_and_listed(tmp_path, encoder_folder, capsys):
    shifted = tmp_path / "shifted.json"
    shifted.write_text(
        (DATA / "squad.json").read_text("utf-8").replace('"answer_start": 41', '"answer_start": 3')
    )
    quick(
        "--model",
        encoder_folder,
        "--train-file",
        shifted,
        "--validation-file",
        shifted,
        "--output-dir",
        tmp_path / "run",
    )
    shown = capsys.readouterr().out
    assert (
        shown.count("answers not at their answer_start: 1 moved to their nearest occurrence; first")
        == 1
    )
    assert "warning: 3 of the 3 contexts that are scored are also trained on" in shown
    (listed,) = json.loads((tmp_path / "run" / "bad_answers.json").read_text())
    assert listed == {
        "where": f"{shifted}: data[0].paragraphs[0].qas[0].answers[0]",
        "id": "en-1",
        "text": "1784",
        "answer_start": 3,
        "moved_to": 41,
    }


def test_a_masked_question_is_masked_in_every_scoring(tmp_path, encoder_folder, data, capsys):
    quick(
        "--model",
        encoder_folder,
        "--train-file",
        data,
        "--validation-file",
        data,
        "--mask-question",
        "--output-dir",
        tmp_path / "run",
    )
    evaluate.main(["--checkpoint", str(tmp_path / "run")])
    trained, evaluated = (
        json.loads((tmp_path / "run" / name).read_text())
        for name in ("metrics.json", "best-on-all/metrics.json")
    )
    assert trained["f1"] == evaluated["f1"]
    assert evaluated["without_span"] == 0


def test_any_form_of_data_trains_and_is_scored(tmp_path, encoder_folder, capsys):
    rows = [
        {
            "id": e.id,
            "question": e.question,
            "context": e.context,
            "answers": {"text": [e.answers[0].text], "answer_start": [e.answers[0].start]},
        }
        for e in load_examples(DATA / "squad.json")
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    quick(
        "--model",
        encoder_folder,
        "--train-file",
        tmp_path / "*.jsonl",
        "--output-dir",
        tmp_path / "run",
    )
    evaluate.main(["--checkpoint", str(tmp_path / "run"), "--data", str(tmp_path / "lines.jsonl")])
    assert (
        json.loads((tmp_path / "run" / "best-on-lines" / "metrics.json").read_text())["total"] == 7
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--train-file", "absent.json"], "absent.json: no such file"),
        (
            ["--train-file", "absent", "--validation-file", "absent"],
            "absent: no such file, and no data set of that name could be loaded from",
        ),
        (["--train-file", "*.jsonl"], "*.jsonl: no file has a name of this pattern"),
        (["--train-split", "train[:10%]"], "is read whole; a split such as 'train[:10%]'"),
        (["--validation-fraction", "0.1"], "--validation-fraction 0.1 and --validation-file"),
        (["--validation-fraction", "1"], "--validation-fraction 1: must be below 1"),
        (["--feature-cache", "broken.json"], "--feature-cache broken.json: cannot be written"),
        (["--train-file", "broken.json"], "broken.json: broken JSON at line 1, column 10"),
        (["--train-file", "nodata.json"], "the key 'data' is missing"),
        (
            ["--train-file", "shifted.json", "--on-bad-answer", "error"],
            "answers[0].answer_start: 3 holds",
        ),
        (["--train-file", "empty.json"], "empty.json: holds no question that can be trained on"),
        (
            ["--train-file", "unlabeled.json"],
            "unlabeled.json: holds no question that can be trained on",
        ),
        (["--stride", "90"], "--stride 90 must be below the room"),
        (
            ["--max-length", "129"],
            "--max-length 129 is above the 128 positions that the model has; "
            "use --max-length 128 or less",
        ),
        (
            ["--output-dir", "taken", "--train-file", "absent.json"],
            "taken: holds a run already; continue it with --resume auto, or choose another folder",
        ),
        (["--model", "nobody/nothing"], "be fetched from the Hugging Face hub"),
        (
            ["--model", "."],
            "this folder holds no tokenizer that can be loaded: it has no config.json",
        ),
        (["--model", "./absent"], "./absent: no such folder"),
        (["--validation-file", "nodata.json"], "nodata.json"),
        (["--train-file", ""], "needs a --train-file; to score a trained reader, use evaluate.py"),
        (["--data", "sample"], "give one of them"),
        (["--validation-file", "empty.json"], "empty.json: holds no question to score"),
        (["--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (["--device", "cuda:7"], "--device cuda:7: not available on this machine"),
        (
            ["--metric-for-best", "bleu"],
            "--metric-for-best bleu: the scorer squad has exact_match and f1",
        ),
        (["--max-tokens-per-batch", "64"], "--max-tokens-per-batch 64 is below --max-length 96"),
        (["--resume", "absent"], "--resume absent: no such folder"),
        (["--device", "toaster"], "--device toaster: choose cpu, cuda, cuda:N or mps"),
    ],
)
def test_bad_input_to_train(tmp_path, monkeypatch, capsys, data, encoder_folder, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text('{"data": ')
    (tmp_path / "nodata.json").write_text('{"version": "1.1"}')
    (tmp_path / "empty.json").write_text('{"data": []}')
    (tmp_path / "unlabeled.json").write_text((DATA / "news_test.json").read_text("utf-8"))
    (tmp_path / "shifted.json").write_text(
        (DATA / "squad.json").read_text("utf-8").replace('"answer_start": 41', '"answer_start": 3')
    )
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "log.jsonl").touch()
    before = sorted(tmp_path.rglob("*"))
    given = {
        "--model": str(encoder_folder),
        "--train-file": str(data),
        "--validation-file": str(data),
        "--max-length": "96",
        "--stride": "32",
    }
    given.update(zip(argv[::2], argv[1::2], strict=False))
    assert message in fails(train.main, capsys, *(part for pair in given.items() for part in pair))
    # Nothing is left half-written.
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--checkpoint", "absent"], "be fetched from the Hugging Face hub"),
        (
            ["--checkpoint", "checkpoints/absent"],
            "checkpoints/absent: no such folder; train.py makes one",
        ),
        (["--checkpoint", "./absent"], "./absent: no such folder"),
        (["--checkpoint", "."], "holds no config.json"),
        (["--data", "absent.json"], "absent.json: no such file"),
        (["--data", "empty.json"], "empty.json: holds no question"),
        (["--data", "sample:xx"], "'xx' is neither"),
        (["--max-length", "500"], "--max-length 500 is above the 128 positions"),
    ],
)
def test_bad_input_to_evaluate(tmp_path, monkeypatch, capsys, trained, argv, message):
    cwd, output = trained
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.json").write_text('{"data": []}')
    before = sorted(tmp_path.rglob("*"))
    given = {
        "--checkpoint": str(cwd / output.splitlines()[-1].split()[-1]),
        "--data": str(DATA / "squad.json"),
    }
    given.update(zip(argv[::2], argv[1::2], strict=False))
    assert message in fails(
        evaluate.main, capsys, *(part for pair in given.items() for part in pair)
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_help_and_errors_come_from_the_real_command_line(script, tmp_path):
    shown = run(script, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert "--max-length" in shown.stdout
    assert "default" in shown.stdout
    wrong = run(
        script,
        "--checkpoint" if script == "evaluate.py" else "--train-file",
        "absent",
        cwd=tmp_path,
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"{script}: error: absent")
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_real_korean_questions(tmp_path, capsys):
    """A few hundred steps on real Korean data teach random weights far more than guessing."""
    path = real_data("KorQuAD_v1.0_dev.json")
    argv = f"""
        --train-file {path} --validation-file {path}
        --max-train-examples 64 --max-eval-examples 64 --max-length 256 --stride 64
        --epochs 40 --batch-size 16 --output-dir {tmp_path / "run"}
    """
    train.main(argv.split())
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["scorer"] == "korquad"
    assert metrics["total"] == 64
    assert metrics["f1"] > 60


@pytest.mark.slow
def test_real_windows_of_a_whole_file(bert):
    examples = load_examples(real_data("KorQuAD_v1.0_dev.json"))
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=384, stride=128))
    assert len(dataset) > len(examples)
    assert (dataset.start_positions != dataset.null_position).mean() > 0.5
