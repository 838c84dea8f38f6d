# The package, its notebooks and a Chinese font, for a machine that has Docker and cannot run MXNet by itself:
#
#   docker build --platform linux/amd64 --tag rnn_scratch .
#   docker run --platform linux/amd64 -it --name rnn --publish 127.0.0.1:8888:8888 rnn_scratch
#
# The second command prints an address with http://127.0.0.1:8888, for your browser. With `make train` or `bash` after
# it, it does that instead. Docker itself was not tried: tools/fresh_debian.sh builds this file where no Docker runs.

FROM debian:trixie-slim AS system
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make python3-venv libgomp1 libquadmath0 git fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --shell /bin/bash learner && install --directory --owner=learner /home/learner/rnn_scratch
USER learner
WORKDIR /home/learner/rnn_scratch
ENV LANG=C.UTF-8

# The development container (.devcontainer) stops above, and has your own copy of the files.
FROM system
COPY --chown=learner . .
RUN make environment MORE=-examples
ENV PATH=/home/learner/rnn_scratch/.venv-3.13/bin:$PATH
EXPOSE 8888
CMD ["make", "walkthrough", "ARGS=--ip=0.0.0.0 --no-browser"]
