"""The web server, here and in production. Gunicorn reads WEB_CONCURRENCY and FORWARDED_ALLOW_IPS by itself."""

import os

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8000')}"  # noqa: S104 - a container's own network
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4
preload_app = True  # the code is loaded once, not once per process
timeout = 60
graceful_timeout = 5
keepalive = 15
max_requests, max_requests_jitter = 5000, 500
control_socket_disable = True
loglevel = "warning"
