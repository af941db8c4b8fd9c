# One image for web, worker, beat and migrate; docker-compose.yml says which command each runs.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --require-hashes -r requirements.txt

FROM python:3.11-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PRODUCTION=1 DATA_DIR=/data
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin leadflow \
    && install --directory --owner=leadflow --group=leadflow /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
# A throw-away key: collecting static files signs nothing, and the real key must never be in an image.
RUN SECRET_KEY="$(head -c 32 /dev/urandom | base64)" DATABASE_URL=sqlite:////tmp/none \
    python manage.py collectstatic --no-input --verbosity 0
USER leadflow
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000/health/ready', timeout=4)"]
CMD ["gunicorn", "leadflow.wsgi"]
