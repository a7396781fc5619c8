"""The commands of the terminal.

    python -m gemma3_edu chat --model FOLDER --image FILE "question"
    python -m gemma3_edu chat --model FILE.gguf --vision MMPROJ.gguf --image FILE "question"
    python -m gemma3_edu verify FOLDER
    python -m gemma3_edu grade FILE --lesson 05

>>> parser().parse_args(["chat", "--model", "gemma-3-4b-it", "What is this?"]).question
'What is this?'
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from .fast.compiled import FastDecoder
from .generation.chat import chat
from .generation.sampling import Sampler
from .hub.checkpoint import bundled, bundled_folder, load
from .lessons.grade import as_json as grades_as_json
from .lessons.grade import grade
from .prompt.chat_template import Message
from .verify.verify import as_json, report, verify, versions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    top = argparse.ArgumentParser(
        prog="python -m gemma3_edu",
        description=(__doc__ or "").split("\n>>>")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True)
    talk = commands.add_parser("chat", help="ask a model one question, with pictures or without")
    talk.set_defaults(run=run_chat)
    talk.add_argument("question", help="what to ask; '-' reads it from standard input")
    names = f", or one of {', '.join(bundled())}" if bundled() else ""
    default = "nano-it" if "nano-it" in bundled() else None
    otherwise = f" (default: {default})" if default else ""
    talk.add_argument(
        "--model",
        default=default,
        required=default is None,
        help=f"a checkpoint folder, a GGUF file{names}{otherwise}",
    )
    talk.add_argument("--vision", type=Path, help="the vision half of a GGUF file (mmproj-...)")
    talk.add_argument("--image", type=Path, action="append", default=[], help="repeat for more")
    talk.add_argument("--system", help="instructions put in front of the question")
    talk.add_argument(
        "--pan-and-scan",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="add crops of long pictures (default: the checkpoint's setting)",
    )
    talk.add_argument("--tokenizer", type=Path, help="a tokenizer.model outside the folder")
    talk.add_argument("--dtype", choices=DTYPES, help="default: the checkpoint's own")
    talk.add_argument("--device", help="cpu, cuda, ... (default: cpu)")
    talk.add_argument(
        "--compile",
        action="store_true",
        help="faster tokens after a wait: compile the decode step (needs a C++ compiler)",
    )
    talk.add_argument("--max-new-tokens", type=int, default=512, metavar="N")
    talk.add_argument(
        "--temperature",
        type=float,
        help="0 is greedy (default: 1, as released; 0 with a bundled model, which is small)",
    )
    talk.add_argument("--top-k", type=int, default=64, metavar="K")
    talk.add_argument("--top-p", type=float, default=0.95, metavar="P")
    talk.add_argument("--seed", type=int, help="the same seed gives the same answer")
    check = commands.add_parser(
        "verify", help="compare a checkpoint's stages with those of transformers"
    )
    check.set_defaults(run=run_verify)
    check.add_argument("folder", type=Path, help="a checkpoint in the public layout")
    check.add_argument(
        "--tokens", type=int, metavar="N", help="of the prompt (default: the window and 64 more)"
    )
    check.add_argument("--tokenizer", type=Path, help="a tokenizer.model outside the folder")
    check.add_argument("--json", type=Path, help="where to write the errors of all stages")
    mark = commands.add_parser("grade", help="judge a learner's file, as JSON: SECURITY.md first")
    mark.set_defaults(run=run_grade)
    mark.add_argument("file", type=Path, help="a notebook or a Python file")
    mark.add_argument("--lesson", required=True, metavar="NN", help="whose exercises: 05")
    mark.add_argument("--seconds", type=float, default=60, metavar="S", help="an answer may take")
    mark.add_argument(
        "--megabytes", type=int, default=2000, metavar="M", help="it may need (Linux)"
    )
    return top


def run_chat(options: argparse.Namespace) -> int:
    """Load, ask, and write the answer as it comes."""
    model, processor = load(
        options.model,
        dtype=DTYPES.get(options.dtype),
        device=options.device,
        tokenizer=options.tokenizer,
        vision=options.vision,
    )
    if options.compile:
        model = FastDecoder(model)
        print(
            "compiling with the first tokens: some ten seconds, less the next time", file=sys.stderr
        )
    question = _from_standard_input() if options.question == "-" else options.question
    messages = [Message.system(options.system)] if options.system else []
    messages.append(Message.user(*options.image, question))
    temperature = options.temperature
    if temperature is None:
        temperature = 0.0 if bundled_folder(options.model) else 1.0
    generator = None
    if options.seed is not None:
        if not -(1 << 63) <= options.seed < 1 << 64:
            raise ValueError(f"seed={options.seed} must be a number of 64 bits")
        generator = torch.Generator(options.device or "cpu").manual_seed(options.seed)
    chat(
        model,
        processor,
        messages,
        Sampler(temperature, options.top_k, options.top_p),
        options.max_new_tokens,
        pan_and_scan=options.pan_and_scan,
        generator=generator,
        on_text=_say,
    )
    print()
    return 0


def _from_standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"question: standard input is not text in {error.encoding}") from error


def _say(piece: str) -> None:
    """Print as it is, except on a terminal, which control characters would steer."""
    print(shown(piece) if sys.stdout.isatty() else piece, end="", flush=True)


def run_verify(options: argparse.Namespace) -> int:
    """Compare, tell the worst stage of each case; 1 where something differs."""
    if options.json and (options.json.is_dir() or not options.json.absolute().parent.is_dir()):
        raise ValueError(f"json={str(options.json)!r} is no file in a folder that exists")
    stages = list(verify(options.folder, options.tokens, options.tokenizer, on_step=_told))
    print("\r" + " " * 79 + "\r", end="", file=sys.stderr)
    told = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"{shown(options.folder.name)}: {told}\n")
    print(report(stages))
    if options.json:
        options.json.write_text(as_json(stages), encoding="utf-8")
    return 0 if all(stage.equal for stage in stages) else 1


def _told(title: str, done: int, total: int) -> None:
    filled = round(30 * done / total)
    line = f"{title:26} [{'#' * filled:<30}] {done}/{total} layers"
    print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)


def run_grade(options: argparse.Namespace) -> int:
    """Judge every exercise of a lesson; 1 where one is not correct."""
    limits = {"seconds": options.seconds, "megabytes": options.megabytes}
    results = list(grade(options.file, options.lesson, **limits))
    print(grades_as_json(results, str(options.file), options.lesson))
    return 0 if all(result.verdict == "correct" for result in results) else 1


def shown(text: str) -> str:
    r"""Text with control characters spelled out, which would otherwise steer a terminal.

    >>> print(shown("layer\x1b[2J.weight"))
    layer\x1b[2J.weight
    """
    control = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
    return re.sub(control, lambda found: found[0].encode("unicode_escape").decode(), text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake of the caller's is a message on stderr and exit code 2.

    130 after Ctrl-C and 141 where the reader of a pipe has gone, as the shell's own commands have.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # in a terminal without UTF-8
    options = parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except ValueError as error:
        return _failed(str(error), 2)
    except KeyboardInterrupt:
        return _failed("stopped", 130)
    except BrokenPipeError:
        return _failed("", 141)
    except (torch.OutOfMemoryError, MemoryError) as error:
        return _failed(f"not enough memory: {error}", 2)
    except OSError as error:
        return _failed(str(error), 2)


def _failed(message: str, status: int) -> int:
    """Say why, and let Python's own last flush of a stdout that is gone or full go nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if message:
        print(f"{parser().prog}: {shown(message)}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
