"""What every service is built on. Whoever imports it gets a gRPC that leaves the start of other programs alone.

gRPC reads this once, when it is first imported, and by default wakes its threads in each child between fork and exec:
tool servers then fail to start now and then. No service forks itself.
"""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
