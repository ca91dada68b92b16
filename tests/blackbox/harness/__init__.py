# SPDX-License-Identifier: Apache-2.0
"""What the tests drive the daemon with: plain sockets, msgpack and NumPy; none of our client."""
