"""`tsae annotate`: keep what people say of events and intervals."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from tsae.alarms import AnnotationKind
from tsae.cli.console import notice, print_table, results
from tsae.errors import ParameterError

if TYPE_CHECKING:
    from tsae.alarms.annotations import Annotation, Annotations, Moment, Said

__all__ = ["annotate"]

_KINDS: dict[str, AnnotationKind] = {kind.replace(" ", "-"): kind for kind in get_args(AnnotationKind)}
_option = partial(typer.Option, show_default=False)
_said = partial(_option, rich_help_panel="What was it")
_about = partial(_option, rich_help_panel="Events and intervals")
_file = partial(typer.Option, rich_help_panel="What is in the file", show_default=False)


def annotate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Annotation file: .db, .sqlite, .sqlite3 or .csv; made if it is missing.",
            show_default=False,
        ),
    ],
    *,
    kind: Annotated[
        str | None,
        _said("--as", metavar="|".join(_KINDS), help="A real fault, a false alarm, a new normal state, …"),
    ] = None,
    event: Annotated[
        list[str] | None, _about("--event", help="Id of an event in the file of --events; repeatable.")
    ] = None,
    events: Annotated[
        Path | None, _about("--events", help="Events, written by [bold]tsae score --events[/]: .csv, .jsonl, .parquet.")
    ] = None,
    start: Annotated[str | None, _about("--from", help="First time (ISO 8601) or row number of an interval.")] = None,
    stop: Annotated[
        str | None, _about("--to", help="Last time or row number, inclusive; a date alone means the whole day.")
    ] = None,
    entity: Annotated[
        str | None, _about("--entity", help="Entity of the interval; all entities unless stated.")
    ] = None,
    time_zone: Annotated[
        str | None, _about("--time-zone", help="Time zone of --from and --to without one, such as Europe/Berlin.")
    ] = None,
    author: Annotated[str | None, _said("--author", help="Who says so; your login name unless stated.")] = None,
    note: Annotated[str, _said("--note", help="Anything worth knowing, such as the cause.")] = "",
    show: Annotated[bool, _file("--list", help="List the annotations that count.")] = False,
    history: Annotated[bool, _file("--history", help="List also what was superseded or removed.")] = False,
    remove: Annotated[
        str | None, _file("--remove", metavar="ID", help="Take an annotation back; the history keeps it.")
    ] = None,
    as_json: Annotated[bool, _file("--json", help="Print one JSON object a line instead of a table.")] = False,
) -> None:
    """Say what an event or an interval was, and keep it with author and time in one file.

    `tsae fit --annotations FILE` and `tsae recalibrate --annotations FILE` learn from it. A later annotation of the
    same event or interval supersedes an earlier one; nothing is deleted.
    """
    from tsae.alarms.annotations import Annotations

    is_interval = start is not None or stop is not None
    actions = {"--event": bool(event), "--from/--to": is_interval, "--remove": remove, "--list": show or history}
    stated = [name for name, is_stated in actions.items() if is_stated]
    if len(stated) != 1:
        asked = f"{' and '.join(stated)} are stated" if stated else "nothing is stated"
        raise ParameterError(f"state one of --event, --from with --to, --list, --history and --remove; {asked}")
    if show or history:
        _list(Annotations.existing(file), entity, with_history=history, as_json=as_json)
    elif remove is not None:
        gone = Annotations.existing(file).remove(remove, author=_author(author), note=note)
        _print([gone], f"Removed from {file}", as_json=as_json)
    else:
        words = {"author": _author(author), "note": note}
        if event:
            said = _of_events(event, events, entity, _kind(kind), words)
        else:
            bounds = _interval(start, stop, time_zone)
            said = [_of_interval(bounds, events, entity, _kind(kind), words)]
        _add(Annotations(file), said, as_json=as_json)


def _author(stated: str | None) -> str:
    if stated is not None:
        return stated
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a process without a name for its user
        return ""


def _kind(stated: str | None) -> AnnotationKind:
    from tsae.checks import check_choice

    if stated is None:
        raise ParameterError(f"say what it was: state `--as`, one of {', '.join(_KINDS)}")
    check_choice("kind", stated, _KINDS)
    return _KINDS[stated]


def _of_events(
    ids: list[str], path: Path | None, entity: str | None, kind: AnnotationKind, words: dict[str, Any]
) -> list[Annotation]:
    from tsae.alarms.annotations import Annotation
    from tsae.cli.events_file import choose_events, read_events

    if path is None:
        raise ParameterError("`--event` needs the file that the event is in; state `--events`")
    if entity is not None:
        raise ParameterError(f"`--entity` (={entity!r}) is for intervals, an event names its own; leave it out")
    chosen = choose_events(read_events(path), dict.fromkeys(ids), path)
    return [Annotation.of_event(fields, kind, **words) for fields in chosen]


def _interval(start: str | None, stop: str | None, time_zone: str | None) -> tuple[Moment, Moment]:
    from tsae.alarms.annotations import moment_of
    from tsae.series.options import ReadOptions

    if start is None or stop is None:
        raise ParameterError("an interval needs both ends; state `--from` and `--to`")
    ReadOptions(time_zone=time_zone)  # refuses an unknown zone by name
    first, last = moment_of(start, name="start"), moment_of(stop, name="stop", ends_day=True)
    return _in_zone(first, time_zone), _in_zone(last, time_zone)


def _in_zone(moment: Moment, time_zone: str | None) -> Moment:
    if time_zone is None or isinstance(moment, int) or moment.tzinfo is not None:
        return moment
    return moment.tz_localize(time_zone)


def _of_interval(
    bounds: tuple[Moment, Moment], path: Path | None, entity: str | None, kind: AnnotationKind, words: dict[str, Any]
) -> Annotation:
    from tsae.alarms.annotations import Annotation

    if path is not None:
        raise ParameterError(f"`--events` (={str(path)!r}) is for `--event`; leave it out for an interval")
    return Annotation(kind, *bounds, entity=entity or "", **words)


def _add(notes: Annotations, said: list[Annotation], *, as_json: bool) -> None:
    before = list(notes)
    notes.add(*said)
    counting = {annotation.id for annotation in notes}
    for old in before:
        if old.id not in counting:
            notice(f"supersedes annotation {old.id} ({old.kind}, {_author_and_time(old)})")
    _print(said, f"Written to {notes.path}", as_json=as_json)


def _list(notes: Annotations, entity: str | None, *, with_history: bool, as_json: bool) -> None:
    shown = [each for each in notes.history() if with_history or each.state == "current"]
    shown = [each for each in shown if entity is None or each.annotation.speaks_of(entity)]
    if as_json:
        for each in shown:
            typer.echo(json.dumps(each.annotation.fields() | _state(each), ensure_ascii=False))
    elif not shown:
        results().print(f"No annotations in {notes.path}.", markup=False, highlight=False)
    else:
        rows = [[*_cells(each.annotation), *(_state(each).values() if with_history else ())] for each in shown]
        print_table(f"Annotations in {notes.path}", [*_HEADERS, *(("State", "Removed") if with_history else ())], rows)


def _state(said: Said) -> dict[str, str]:
    gone = said.removal
    return {"state": said.state, "removed": f"{gone.author} {gone.at.isoformat()} {gone.note}".strip() if gone else ""}


_HEADERS = ("Id", "Kind", "Event or entity", "When", "Said", "Note")


def _cells(annotation: Annotation) -> list[str]:
    from tsae.report.wording import span

    when = span(annotation.start, annotation.stop)
    subject = annotation.event_id or annotation.entity or "all"
    return [annotation.id, annotation.kind, subject, when, _author_and_time(annotation), annotation.note]


def _author_and_time(annotation: Annotation) -> str:
    at = f"{annotation.at:%Y-%m-%d %H:%M} UTC"
    return f"{annotation.author}, {at}" if annotation.author else at


def _print(annotations: Iterable[Annotation], title: str, *, as_json: bool) -> None:
    if as_json:
        for annotation in annotations:
            typer.echo(json.dumps(annotation.fields(), ensure_ascii=False))
    else:
        print_table(title, _HEADERS, map(_cells, annotations))
