"""`gixctl address`."""

import typer

from gix_ops import services
from gix_ops.commands.options import ServiceArgument, StackOption, read_stack

HEADING = "Inspect"


def command(service: ServiceArgument, stack: StackOption = None) -> None:
    """Print the published HOST:PORT of a service.

    Exits with 1 if the service is not published, or not part of the stack.
    """
    typer.echo(services.endpoint(read_stack(stack), service))
