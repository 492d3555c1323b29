"""`pansophy conflict ask`: one answer, with a dial between a text and the model's memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansophy.errors import SourceError, UsageError

if TYPE_CHECKING:
    from pansophy.conflicts import Combiner, Reply

METHODS = ("ck_plug", "cad", "adacad", "coiecd", "acd", "grd", "dola", "interpolation", "none")


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.", show_default=False)],
    context: Annotated[
        Path, typer.Option("--context", "-c", help="File with the text; - for standard input.", show_default=False)
    ],
    alpha: Annotated[
        float | None,
        typer.Option(
            help="0 trusts the text, 1 the model's memory.", show_default="by how sure each is, token by token"
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help=f"How the two are combined: {', '.join(METHODS)}. Only ck_plug has an alpha.")
    ] = "ck_plug",
    tau: Annotated[
        float | None,
        typer.Option(help="With ck_plug: how readily it steps in; raise it for long fluent lies.", show_default="1"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="A name from pansophy models list, a .gguf file, a folder, owner/name of the hub."
        ),
    ] = "qwen2.5-coder-0.5b",
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask without the model's chat template, as a base model needs it.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The most tokens of the answer.")] = 64,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the best token.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Of the random numbers.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU if there is one")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with the trace.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the trace there as a page, each token coloured.", show_default=False)
    ] = None,
) -> None:
    """Answer a question from a text, with a dial between the text and what the model remembers.

    For example: pansophy conflict ask "Who is the CEO of X?" --context memo.txt --alpha 0.0
    """
    combiner = _combiner(method, alpha, tau)
    text = _read(context)
    from pansophy.conflicts import TwoStreamDecoder
    from pansophy.conflicts.decoding import Decoding, chat_prompts, plain_prompts
    from pansophy.models import WhiteBoxModel

    white = WhiteBoxModel.load(model, device=device)
    speaks = white.tokenizer.chat_template is not None and not plain
    decoder = TwoStreamDecoder(white, chat_prompts(white) if speaks else plain_prompts)
    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    reply = decoder.generate(question, text, combiner=combiner, decoding=decoding)
    if html is not None:
        html.write_text(reply.to_html(), "utf-8")
    _print(reply, as_json)


def _combiner(method: str, alpha: float | None, tau: float | None) -> Combiner | None:
    if method not in METHODS:
        raise UsageError(f"--method must be one of {', '.join(METHODS)}, not {method!r}")
    if method != "ck_plug" and (alpha is not None or tau is not None):
        raise UsageError("--alpha and --tau belong to --method ck_plug")
    if method == "none":
        return None
    from pansophy.conflicts import CKPlug
    from pansophy.conflicts.combiners import COMBINERS

    return CKPlug(alpha, tau=1.0 if tau is None else tau) if method == "ck_plug" else COMBINERS[method]()


def _read(path: Path) -> str:
    try:
        return typer.get_text_stream("stdin").read() if str(path) == "-" else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} can't be read as text: {error}") from error


def _print(reply: Reply, as_json: bool) -> None:
    if as_json:
        import dataclasses
        import json

        typer.echo(json.dumps(dataclasses.asdict(reply), ensure_ascii=False))
        return
    typer.echo(reply.text)
    changed = [one for one in reply.trace if one.gated]
    differ = [one for one in reply.trace if one.context_choice != one.prior_choice]
    typer.echo(
        f"{len(reply.trace)} tokens; text and memory disagree on {len(differ)}, the dial stepped in on {len(changed)}"
        + ("" if reply.finished else "; cut at --max-new-tokens"),
        err=True,
    )
