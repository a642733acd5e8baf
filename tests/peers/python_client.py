#!/usr/bin/env python3
"""Sends one call of each type with Segment's Python client; exits 1 if the client reports an error.

python_client.py HOST WRITE_KEY USER [gzip]
"""

import sys
from datetime import datetime, timezone

from segment.analytics.client import Client

host, write_key, user = sys.argv[1:4]
errors = []
client = Client(
    write_key,
    host=host,
    gzip="gzip" in sys.argv[4:],
    max_retries=1,
    on_error=lambda error, items: errors.append(f"{error} ({len(items)} items)"),
)
client.identify(user, {"email": f"{user}@example.com", "plan": "pro"})
client.track(user, "Order Completed", {"total": 12.5, "when": datetime(2026, 1, 2, tzinfo=timezone.utc)})
client.page(user, "Docs", "Python", {"url": "https://example.com/docs"})
client.screen(user, "Settings", "App", {"dark": True})
client.group(user, "g1", {"name": "Initech"})
client.alias(f"{user}-before", user)
client.flush()
client.join()
for error in errors:
    print(error, file=sys.stderr)
sys.exit(1 if errors else 0)
