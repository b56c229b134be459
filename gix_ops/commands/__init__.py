"""The verbs of `gixctl`: a module for each reads the command line, calls the code that works, and prints the result.

`gixctl` finds a verb by its module, which has `HEADING`, the verb's heading in `gixctl --help`, and `command`, the
function that typer calls. A verb with verbs of its own has `app`, a typer application, instead of `command`. The verb
has the name of its module, with `-` for `_`. A module without `HEADING` has what several verbs share.
"""
