# Tastespace in one container. Build: docker build -t tastespace .
# With CPU-only torch wheels (about 5 GB smaller): --build-arg TORCH_INDEX=<URL of the index that serves them>
FROM python:3.11-slim AS build

ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# Dependencies in a layer of their own: a change of our code does not download torch again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv /opt/tastespace \
    && mkdir app models index \
    && touch app/__init__.py models/__init__.py index/__init__.py \
    && /opt/tastespace/bin/pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --constraint constraints.txt '.[postgresql]' \
    && /opt/tastespace/bin/pip uninstall --yes tastespace

COPY app app
COPY models models
COPY index index
RUN /opt/tastespace/bin/pip install --no-deps .

FROM python:3.11-slim

RUN useradd --system --uid 10001 --create-home tastespace \
    && install --directory --owner 10001 /data
COPY --from=build /opt/tastespace /opt/tastespace
ENV PATH=/opt/tastespace/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TASTESPACE_DATA_DIR=/data \
    HF_HOME=/data/models \
    TASTESPACE_HOST=0.0.0.0 \
    TASTESPACE_PORT=8000
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Ready means that models and index answer; the start includes loading the weights.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['TASTESPACE_PORT'] + '/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["tastespace", "serve"]
