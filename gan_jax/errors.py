"""The one exception for what the user can mend."""


class UserError(Exception):
  """Something the user can mend: a flag, a config field, a file, a full disk.

  Its message is one line that names the flag or file and the remedy. The command
  line prints it without a traceback and exits with code 2.
  """
