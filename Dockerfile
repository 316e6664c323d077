# The simulated robot and everything that learns on it. Build: docker compose build
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends make libegl1 libgl1-mesa-dri libusb-1.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /nudge
COPY . .
RUN make setup PYTHON=python3.11

ENTRYPOINT [".venv/bin/nudge"]
CMD ["demo"]
