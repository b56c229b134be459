"""Shows a plan in a terminal, and as the comment of a pull request."""

import html
from collections.abc import Iterator

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gix_ops.planning.effects import Effect
from gix_ops.planning.plan import RECORD, OtherPlan, Plan, ServicePlan

LONGEST_COMMENT = 65_536
"""Length of the longest comment that GitHub accepts, in characters."""

_COLOURS = {
    Effect.UNTOUCHED: "dim",
    Effect.RECORDED: "yellow",
    Effect.STARTED: "green",
    Effect.UPDATED: "cyan",
    Effect.RESTARTED_IF_IMAGE_CHANGES: "yellow",
    Effect.RESTARTED: "yellow",
    Effect.REPLACED_IF_IMAGE_CHANGES: "cyan",
    Effect.REPLACED: "cyan",
    Effect.CREATED: "green",
    Effect.REMOVED: "red",
}
_CUT = "\n\n**Cut here:** the plan is longer than a comment may be. `gixctl plan` shows it completely."
_RECORDS = "Pulumi's own records (nothing on the engine)"


def terminal(plan: Plan) -> Group:
    """The plan for a terminal."""
    parts: list[Table | Text] = [
        Text(f"{plan.stack}: {plan.summary}", style="bold red" if _is_alarming(plan) else "bold")
    ]
    parts += [Text(text, style="red") for text in plan.errors]
    if plan.services:
        table = Table()
        for heading in ("service", "what happens", "why"):
            table.add_column(heading, overflow="fold")
        for each in plan.services:
            what = f"[{_COLOURS[each.effect]}]{escape(_what(each))}[/]"
            table.add_row(escape(_title(plan, each)), _with_risks(what, each), escape("\n".join(each.causes)))
        parts.append(table)
    if plan.others:
        table = Table()
        for heading in ("besides", "what happens", "why"):
            table.add_column(heading, overflow="fold")
        for other in _on_engine(plan):
            table.add_row(
                escape(f"{other.kind} {other.name}"),
                _with_risks(escape(other.operation), other),
                escape("\n".join(other.causes)),
            )
        for names, operation in _records(plan):
            table.add_row(_RECORDS, escape(f"{operation}: {names}"), "")
        parts.append(table)
    parts += [Text(text) for text in plan.notices]
    return Group(*parts)


def markdown(plan: Plan) -> str:
    """The plan as a comment of a pull request: a summary line, then tables. It is cut if it is too long."""
    text = ""
    for line in _lines(plan):
        if len(text) + len(line) + 1 > LONGEST_COMMENT - len(_CUT):
            return text + _CUT
        text += line + "\n"
    return text


def _lines(plan: Plan) -> Iterator[str]:
    alarm = ":warning: " if _is_alarming(plan) else ""
    yield f"{alarm}**{inline(plan.stack)}**: {inline(plan.summary)}"
    for error in plan.errors:
        yield ""
        # Markdown shows an indented text without interpreting it.
        yield from (f"    {line}" for line in error.splitlines())
    if plan.services:
        yield from ("", "| service | what happens | why |", "|---|---|---|")
        for each in plan.services:
            what = _what(each) if each.effect is Effect.UNTOUCHED else f"**{_what(each)}**"
            yield f"| {code(_title(plan, each))} | {what}{_risks(each)} | {_causes(each)} |"
    if plan.others:
        yield from ("", "| besides | what happens | why |", "|---|---|---|")
        for other in _on_engine(plan):
            yield f"| {other.kind} {code(other.name)} | {other.operation}{_risks(other)} | {_causes(other)} |"
        for names, operation in _records(plan):
            yield f"| {_RECORDS} | {operation}: {inline(names)} | |"
    for notice in plan.notices:
        yield ""
        yield f"> {inline(notice)}"


def _is_alarming(plan: Plan) -> bool:
    return bool(plan.errors) or plan.puts_data_at_risk


def _title(plan: Plan, service: ServicePlan) -> str:
    """The service, or its container if there are several."""
    several = sum(each.service == service.service for each in plan.services) > 1
    return service.container if several else service.service


def _what(service: ServicePlan) -> str:
    effect = f"tried, then {service.effect}" if service.tried else str(service.effect)
    if service.downtime is None:
        return effect
    down = service.downtime
    return f"{effect} (about {down.usual_seconds} s, at most {down.at_most_seconds} s)"


def _on_engine(plan: Plan) -> Iterator[OtherPlan]:
    return (each for each in plan.others if each.kind != RECORD)


def _records(plan: Plan) -> Iterator[tuple[str, str]]:
    """The names of the records, by operation."""
    records = [each for each in plan.others if each.kind == RECORD]
    for operation in dict.fromkeys(each.operation for each in records):
        yield ", ".join(each.name for each in records if each.operation == operation), operation


def _with_risks(what: str, plan: ServicePlan | OtherPlan) -> str:
    return what + "".join(f"\n[bold red]DATA AT RISK: {escape(risk)}[/]" for risk in plan.data_at_risk)


def _risks(plan: ServicePlan | OtherPlan) -> str:
    return "".join(f"<br>:warning: **DATA AT RISK:** {inline(risk)}" for risk in plan.data_at_risk)


def _causes(plan: ServicePlan | OtherPlan) -> str:
    return "<br>".join(map(code, plan.causes))


def code(text: str) -> str:
    """`text` as code, for a cell of a table."""
    return f"<code>{inline(text)}</code>"


def inline(text: str) -> str:
    """`text` with everything escaped that is markup, a mention or the end of a table's cell."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"&#{ord(each)};" if each in "|`*_@#[]\\~" else each for each in plain)
