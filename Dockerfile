# The steps of README's "Install", for CPUs:
#
#     docker build --tag hf_selfdistill .
#     docker run --rm --volume "$PWD:/work" hf_selfdistill predict clip.mp4 --model_name_or_path OUT
#
# For NVIDIA GPUs; PyTorch's wheels on PyPI bring their own CUDA libraries, and the host needs the NVIDIA Container Toolkit:
#
#     docker build --tag hf_selfdistill:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 \
#         --build-arg TORCH_INDEX=https://pypi.org/simple .
#     docker run --rm --gpus all --ipc host --volume "$PWD:/work" hf_selfdistill:cuda finetune --config recipe.yaml
#
# BASE: an image of Debian or Ubuntu with Python 3.11 or later, or with packages of it.
ARG BASE=python:3.11-slim
FROM ${BASE}

RUN if ! command -v python3; then \
        apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install torch torchvision --index-url "${TORCH_INDEX}"

COPY . /src
RUN pip install "/src[report]"

WORKDIR /work
ENTRYPOINT ["hf-selfdistill"]
CMD ["--help"]
