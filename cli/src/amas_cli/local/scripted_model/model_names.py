"""The models that the scripted provider offers: one that works, and those that do wrong in one way each."""

NORMAL = "scripted"
NONSENSE = "scripted-nonsense"
UNKNOWN_TOOL = "scripted-unknown-tool"
BAD_ARGUMENTS = "scripted-bad-arguments"
LOOP = "scripted-loop"
MEGABYTES = "scripted-megabytes"
SLOW = "scripted-slow"
ERROR = "scripted-error"
GULLIBLE = "scripted-gullible"
MODELS = (NORMAL, NONSENSE, UNKNOWN_TOOL, BAD_ARGUMENTS, LOOP, MEGABYTES, SLOW, ERROR, GULLIBLE)
