"""The command line of the benchmark: see docs/benchmarks.md."""

import argparse
import signal
import sys
import typing

import docker
import requests
from docker.errors import DockerException

from benchmarks import measurements, report
from benchmarks.cases import CASES
from benchmarks.commands import BenchmarkError
from benchmarks.measurements import Measurement, Run
from benchmarks.runner import measure
from benchmarks.subjects import PEERS
from benchmarks.workspace import WorkspaceName

_INTERRUPTED = 130


def main() -> int:
    """Measure and print the figures.

    The exit code is 1 if a result is wrong or the engine does not answer, and 130 after Ctrl-C or SIGTERM.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare this program with its peers.")
    parser.add_argument(
        "--case", nargs="+", choices=list(CASES), default=list(CASES), help="cases to run; default: all"
    )
    parser.add_argument("--peer", nargs="+", choices=list(PEERS), default=list(PEERS), help="peers; default: all")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="repetitions of each case; default: 5")
    parser.add_argument(
        "--workspace",
        choices=typing.get_args(WorkspaceName),
        default="sample",
        help="sources to build; default: sample",
    )
    parser.add_argument("--write", action="store_true", help="write the figures into docs/benchmarks.md")
    parser.add_argument(
        "--render", action="store_true", help="only write docs/benchmarks.md again from the stored figures"
    )
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error(f"--repeat must be at least 1, not {options.repeat}")
    if options.render:
        report.write()
        return 0
    # SIGTERM ends a run like Ctrl-C: everything is removed from the engine.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A background job of a shell ignores SIGINT, and so do its commands: Pulumi would wait 5 s for its plugins to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    done: list[Run] = []
    try:
        for run in measure(
            docker.from_env(),
            options.workspace,
            cases=options.case,
            peers=options.peer,
            repeat=options.repeat,
            listener=_show,
        ):
            done.append(run)
            if options.write:
                stored = measurements.read(report.MEASUREMENTS)
                measurements.write(report.MEASUREMENTS, measurements.with_run(stored, run))
                report.write()
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (DockerException, requests.ConnectionError) as error:
        sys.stderr.write(f"the Docker engine does not answer ({error}); to start it: make setup\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the figures of the cases that ended are kept, and the stacks are removed\n")
        return _INTERRUPTED
    sys.stdout.writelines(["\n", *report.table([row for run in done for row in run.rows])])
    return 0


def _show(case: str, peer: str, figure: Measurement) -> None:
    value = f"{figure.value / 1e6:.1f} MB" if figure.unit == measurements.BYTES else f"{figure.value:.2f} s"
    sys.stdout.write(f"{case}  {peer:8}  {figure.quantity}: {value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
