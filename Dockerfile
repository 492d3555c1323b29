# The service as an image: docker build -t pansophy .   (docs/guide/server.md says how it is run)

FROM python:3.12-slim AS build
COPY constraints.txt LICENSE pyproject.toml README.md /pansophy/
COPY src /pansophy/src
RUN python -m venv /opt/pansophy \
 && /opt/pansophy/bin/pip install --no-cache-dir -c /pansophy/constraints.txt '/pansophy[serve,postgres]'

FROM python:3.12-slim
# The embedded models compute with OpenMP, which the slim image lacks.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/pansophy /opt/pansophy
# Corpora, pulled models, runs and keys are all that is ever written, and they lie here.
RUN useradd --uid 10001 --create-home --home-dir /data pansophy
USER pansophy
WORKDIR /data
VOLUME /data
ENV PATH=/opt/pansophy/bin:$PATH PANSOPHY_HOME=/data PYTHONUNBUFFERED=1
EXPOSE 8765
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["pansophy"]
CMD ["serve", "--host", "0.0.0.0", "--api-key-file", "/data/keys.txt"]
