"""Which distribution an import name belongs to, and what distributions surely bring along.

`REQUIRES` errs towards more: what it names is told to be undeclared, but not to be missing.
"""

from __future__ import annotations

from collections.abc import Mapping

# Import name -> distributions that provide it, the usual one first. A name that is missing here belongs to a
# distribution of the same name, or to one that is not known.
_PROVIDERS = """
Bio: biopython
Crypto: pycryptodome
Levenshtein: levenshtein python-levenshtein
OpenSSL: pyopenssl
PIL: pillow pillow-simd
absl: absl-py
antlr4: antlr4-python3-runtime
apex: nvidia-apex apex
attr: attrs
ax: ax-platform
bs4: beautifulsoup4
clip: openai-clip clip
community: python-louvain
cv2: opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless
dateutil: python-dateutil
docx: python-docx
dotenv: python-dotenv
faiss: faiss-cpu faiss-gpu faiss-gpu-cu11 faiss-gpu-cu12
flash_attn: flash-attn
functorch: torch
git: gitpython
hydra: hydra-core
hydra_plugins: hydra-core hydra-optuna-sweeper hydra-joblib-launcher
imblearn: imbalanced-learn
lightning: lightning
lightning_fabric: lightning pytorch-lightning
mamba_ssm: mamba-ssm
mpl_toolkits: matplotlib
nvidia_smi: nvidia-ml-py3
open_clip: open-clip-torch
ot: pot
past: future
pkg_resources: setuptools
pylab: matplotlib
pynvml: nvidia-ml-py pynvml nvidia-ml-py3
pyro: pyro-ppl
pytorch_lightning: pytorch-lightning lightning
rouge: rouge
rouge_score: rouge-score
sentence_transformers: sentence-transformers
serial: pyserial
skimage: scikit-image
sklearn: scikit-learn scikit-learn-intelex
skopt: scikit-optimize
snappy: python-snappy
stable_baselines3: stable-baselines3
tensorboard: tensorboard tb-nightly
tensorboardX: tensorboardx
tensorflow: tensorflow tensorflow-cpu tensorflow-gpu tf-nightly
tlz: toolz
torch_geometric: torch-geometric
torch_optimizer: torch-optimizer
torch_scatter: torch-scatter
torch_sparse: torch-sparse
umap: umap-learn
usb: pyusb
websocket: websocket-client
yaml: pyyaml
yaml_include: pyyaml-include
zmq: pyzmq
"""
PROVIDERS: Mapping[str, tuple[str, ...]] = {
    name: tuple(value.split()) for name, _, value in (line.partition(":") for line in _PROVIDERS.strip().splitlines())
}

# Distribution -> what every version of it that is in use requires.
_REQUIRES = """
absl-py:
accelerate: numpy packaging psutil pyyaml torch huggingface-hub safetensors
bitsandbytes: torch numpy packaging scipy
click:
cloudpickle:
colorama:
datasets: filelock numpy pyarrow dill pandas requests httpx tqdm xxhash multiprocess fsspec \
    huggingface-hub packaging pyyaml aiohttp
dill:
einops:
evaluate: datasets numpy dill pandas requests tqdm xxhash multiprocess fsspec huggingface-hub packaging
filelock:
fsspec:
h5py: numpy
httpx: certifi httpcore anyio idna sniffio
huggingface-hub: filelock fsspec packaging pyyaml requests tqdm typing-extensions httpx hf-xet click
hydra-core: omegaconf antlr4-python3-runtime packaging
ipython: decorator jedi matplotlib-inline pexpect prompt-toolkit pygments stack-data traitlets
jinja2: markupsafe
joblib:
lightning: torch tqdm pyyaml fsspec torchmetrics packaging typing-extensions lightning-utilities pytorch-lightning numpy
lightning-utilities: packaging typing-extensions setuptools
matplotlib: contourpy cycler fonttools kiwisolver numpy packaging pillow pyparsing python-dateutil
mpmath:
multiprocess: dill
networkx:
nltk: click joblib regex tqdm
numba: numpy llvmlite
numpy:
nvidia-ml-py:
omegaconf: antlr4-python3-runtime pyyaml
opencv-python: numpy
opencv-python-headless: numpy
optuna: alembic colorlog numpy packaging sqlalchemy tqdm pyyaml typing-extensions mako
packaging:
pandas: numpy python-dateutil pytz tzdata six
peft: numpy packaging psutil pyyaml torch transformers tqdm accelerate safetensors huggingface-hub
pillow:
plotly: packaging narwhals tenacity
protobuf:
psutil:
pyarrow: numpy
pydantic: typing-extensions annotated-types pydantic-core
pynvml: nvidia-ml-py
python-dateutil: six
python-dotenv:
pytorch-lightning: torch tqdm pyyaml fsspec torchmetrics packaging typing-extensions lightning-utilities numpy
pyyaml:
regex:
requests: certifi charset-normalizer idna urllib3
rich: markdown-it-py pygments
rouge-score: absl-py nltk numpy six
sacrebleu: portalocker regex tabulate numpy colorama lxml
safetensors:
scikit-image: numpy scipy networkx pillow imageio tifffile packaging lazy-loader
scikit-learn: numpy scipy joblib threadpoolctl
scipy: numpy
seaborn: numpy pandas matplotlib
sentence-transformers: transformers tqdm torch scikit-learn scipy huggingface-hub pillow numpy typing-extensions
sentencepiece:
setuptools:
six:
statsmodels: numpy scipy pandas patsy packaging
sympy: mpmath
tabulate:
tensorboard: absl-py grpcio markdown numpy protobuf setuptools six tensorboard-data-server werkzeug packaging pillow
threadpoolctl:
tiktoken: regex requests
timm: torch torchvision pyyaml huggingface-hub safetensors
tokenizers: huggingface-hub
torch: filelock typing-extensions sympy networkx jinja2 fsspec triton setuptools numpy
torchaudio: torch
torchmetrics: numpy packaging torch lightning-utilities
torchvision: numpy torch pillow requests
tqdm:
transformers: filelock huggingface-hub numpy packaging pyyaml regex requests tokenizers safetensors tqdm typer
triton: setuptools
trl: accelerate datasets transformers rich tyro
typing-extensions:
tzdata:
wandb: click platformdirs protobuf pydantic pyyaml requests sentry-sdk gitpython typing-extensions packaging psutil \
    setproctitle docker-pycreds appdirs eval-type-backport setuptools
xgboost: numpy scipy
xxhash:
albumentations: numpy scipy pyyaml opencv-python-headless pydantic
bert-score: torch pandas transformers numpy requests tqdm matplotlib packaging
black: click packaging platformdirs
captum: matplotlib numpy torch tqdm packaging
catboost: graphviz matplotlib numpy pandas scipy plotly six
diffusers: filelock huggingface-hub numpy regex requests safetensors pillow
faiss-cpu: numpy packaging
faiss-gpu: numpy packaging
flash-attn: torch einops
gensim: numpy scipy smart-open
gymnasium: numpy cloudpickle typing-extensions farama-notifications
imbalanced-learn: numpy scipy scikit-learn joblib threadpoolctl
jiwer: click rapidfuzz
jsonlines: attrs
kornia: torch packaging
lightgbm: numpy scipy
loguru:
lpips: torch torchvision numpy scipy tqdm
mypy: typing-extensions
nvidia-ml-py3:
openpyxl: et-xmlfile
opencv-contrib-python: numpy
prettytable: wcwidth
pytest: iniconfig packaging pluggy
ruff:
schedulefree: typing-extensions
seqeval: numpy scikit-learn
tenacity:
termcolor:
torch-geometric: aiohttp fsspec jinja2 numpy psutil pyparsing requests tqdm
torchinfo:
umap-learn: numpy scikit-learn scipy numba pynndescent tqdm
xformers: torch numpy
"""
REQUIRES: Mapping[str, tuple[str, ...]] = {
    name: tuple(value.split()) for name, _, value in (line.partition(":") for line in _REQUIRES.strip().splitlines())
}

# Import names that are the distribution's own in another spelling than `-` for `_`, and those that are the same.
_SAME = frozenset(
    """
    accelerate aiohttp albumentations altair anndata annoy apache_beam bitsandbytes bokeh botorch captum
    catboost cchardet chardet click cloudpickle cma codecarbon colorama comet_ml cvxpy dask datasets deepspeed
    dgl diffusers dill duckdb editdistance einops evaluate fairscale fastapi fastparquet filelock fire flask
    flax fsspec fvcore gensim geopandas gpytorch gradio gym gymnasium h5py higher httpx huggingface_hub
    hyperopt imageio ipywidgets jax jaxtyping jiwer joblib jsonlines keras kornia langchain langdetect librosa
    lightgbm lion_pytorch litellm llvmlite lmdb loguru lpips lxml matplotlib mlflow mteb multiprocess
    nevergrad neptune networkx nltk nni numba numexpr numpy ogb omegaconf onnx onnxruntime openai openpyxl
    optax optimum optuna orjson ortools packaging pandas patsy peft pingouin plotly polars portalocker
    prettytable psutil pulp pyarrow pydantic pygments pymc pymongo pyparsing pytest pytz pyvista ray rdkit
    regex requests rich rouge sacrebleu sacremoses safetensors scanpy schedulefree scipy seaborn sentencepiece
    seqeval setuptools shap simplejson sktime soundfile spacy sqlalchemy statsmodels streamlit sympy tables
    tabulate tenacity termcolor textblob textdistance thop threadpoolctl tifffile tiktoken timm tokenizers
    toml tomli toolz torch torchaudio torchdata torchdiffeq torchinfo torchmetrics torchsde torchsummary
    torchtext torchtyping torchviz torchvision tqdm transformers triton trl ttach typeguard typer
    typing_extensions tyro ujson unidecode uvicorn vllm wandb wilds xarray xformers xgboost xlrd xlsxwriter
    zarr zeus
    """.split()  # noqa: SIM905
)


def providers(top: str) -> tuple[str, ...]:
    """Return the distributions that provide an import name, the usual one first; none where that is not known."""
    if top in PROVIDERS:
        return PROVIDERS[top]
    return (top.lower().replace("_", "-"),) if top in _SAME else ()
