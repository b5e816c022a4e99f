# The HTTP API, with the packaged reader: it needs no network when it runs, and is not root.
#   docker build -t trocr-gsa .
#   docker run --rm -p 127.0.0.1:8000:8000 trocr-gsa
# On a page without layout, kraken is needed, which is not in this image (docs/serve.md).
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY trocr_gsa trocr_gsa
# The CPU build of torch: that of PyPI brings several GB of CUDA.
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu \
        torch '.[demo,pages]' \
    && useradd --create-home --uid 1000 reader

USER reader
WORKDIR /home/reader
ENV HF_HUB_OFFLINE=1
# The weights are in the package: a reader that cannot be loaded stops the build.
RUN trocr-gsa doctor
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/info')"]
ENTRYPOINT ["trocr-gsa"]
CMD ["serve", "--api", "--host", "0.0.0.0"]
