# docker build -t ratecore .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" ratecore --cores 4 --configfile config/config.yaml
# With GPUs: add `--gpus all`, and `--resources gpu=2` after the other arguments.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git=1:2.39* \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/ratecore
COPY constraints.txt pyproject.toml setup.py README.md LICENSE ./
COPY ratecore ratecore
COPY snakemake_logger_plugin_ratecore snakemake_logger_plugin_ratecore
COPY workflow workflow
COPY scripts scripts
COPY config config
COPY examples examples
RUN pip install --no-cache-dir --constraint constraints.txt ".[workflow]"
# With any --user, there is no home folder and no user name in the container.
ENV HOME=/tmp LOGNAME=ratecore NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/ratecore/workflow/Snakefile"]
CMD ["--help"]
